// Runs an encoder with the widest vectors that the machine has. encode<V>(x, importance, block) gives the same bits for
// every V.
#pragma once

#include "quant/trials.h"

// `flatten` compiles all that an encoder calls for its target. With clang it does so for direct calls alone, and what
// they call would run in the baseline's instructions, so there Float4 serves all machines.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(GESSO_SINGLE_TARGET)
#define GESSO_ENCODE_WITH(target_name) __attribute__((target(target_name), flatten))
#endif

namespace gesso::quant {

#ifdef GESSO_ENCODE_WITH
template <typename Block>
GESSO_ENCODE_WITH("avx512f")
void encode_avx512(const float* x, const float* importance, Block& block) {
  encode<Float16>(x, importance, block);
}

template <typename Block>
GESSO_ENCODE_WITH("avx2")
void encode_avx2(const float* x, const float* importance, Block& block) {
  encode<Float8>(x, importance, block);
}
#endif

template <typename Block>
void encode_widest(const float* x, const float* importance, Block& block) {
#ifdef GESSO_ENCODE_WITH
  if (__builtin_cpu_supports("avx512f")) return encode_avx512(x, importance, block);
  if (__builtin_cpu_supports("avx2")) return encode_avx2(x, importance, block);
#endif
  encode<Float4>(x, importance, block);
}

}  // namespace gesso::quant
