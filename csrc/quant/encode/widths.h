// Runs an encoder with the widest vectors that the machine has. An encoder is a function encode<V>(x, importance,
// block) that gives the same bits for every type of vector V.
#pragma once

#include "quant/encode/trials.h"
#include "quant/targets.h"

namespace gesso::quant {

#ifdef GESSO_COMPILE_FOR
template <typename Block>
GESSO_COMPILE_FOR("avx512f")
void encode_avx512(const float* x, const float* importance, Block& block) {
  encode<Float16>(x, importance, block);
}

template <typename Block>
GESSO_COMPILE_FOR("avx2")
void encode_avx2(const float* x, const float* importance, Block& block) {
  encode<Float8>(x, importance, block);
}
#endif

template <typename Block>
void encode_widest(const float* x, const float* importance, Block& block) {
#ifdef GESSO_COMPILE_FOR
  if (__builtin_cpu_supports("avx512f")) return encode_avx512(x, importance, block);
  if (__builtin_cpu_supports("avx2")) return encode_avx2(x, importance, block);
#endif
  encode<Float4>(x, importance, block);
}

}  // namespace gesso::quant
