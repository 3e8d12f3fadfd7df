#include "quant/formats.h"

#include <span>

#include "quant/blocks/bf16.h"
#include "quant/blocks/f16.h"
#include "quant/blocks/f32.h"
#include "quant/blocks/iq4_nl.h"
#include "quant/blocks/mxfp4.h"
#include "quant/blocks/nvfp4.h"
#include "quant/blocks/q1_0.h"
#include "quant/blocks/q2_0.h"
#include "quant/blocks/q4_0.h"
#include "quant/blocks/q4_1.h"
#include "quant/blocks/q5_0.h"
#include "quant/blocks/q5_1.h"
#include "quant/blocks/q8_0.h"
#include "quant/codebooks/iq1_m.h"
#include "quant/codebooks/iq1_s.h"
#include "quant/codebooks/iq2_s.h"
#include "quant/codebooks/iq2_xs.h"
#include "quant/codebooks/iq2_xxs.h"
#include "quant/codebooks/iq3_s.h"
#include "quant/codebooks/iq3_xxs.h"
#include "quant/super_blocks/iq4_xs.h"
#include "quant/super_blocks/q2_k.h"
#include "quant/super_blocks/q3_k.h"
#include "quant/super_blocks/q4_k.h"
#include "quant/super_blocks/q5_k.h"
#include "quant/super_blocks/q6_k.h"
#include "quant/super_blocks/tq1_0.h"
#include "quant/super_blocks/tq2_0.h"
#include "quant/targets.h"

namespace gesso::quant {
namespace {

template <typename Block>
void decode_row(const std::byte* row, int64_t num_elements, float* out) {
  const auto* blocks = reinterpret_cast<const Block*>(row);  // blocks are arrays of bytes, so any address is aligned
  const int64_t num_blocks = num_elements / Block::kNumElements;
  for (int64_t i = 0; i < num_blocks; ++i) decode_block(blocks[i], out + i * Block::kNumElements);
}

#ifdef GESSO_COMPILE_FOR
template <typename Block>
GESSO_COMPILE_FOR("arch=x86-64-v3")
void decode_row_avx2(const std::byte* row, int64_t num_elements, float* out) {
  decode_row<Block>(row, num_elements, out);
}
#endif

// 512-bit vectors are not faster: most of the time goes into taking bits apart and looking values up.
template <typename Block>
DecodeRow widest_decode_row() {
#ifdef GESSO_COMPILE_FOR
  if (__builtin_cpu_supports("x86-64-v3")) return decode_row_avx2<Block>;
#endif
  return decode_row<Block>;
}

template <typename Block>
void encode_row(const float* row, int64_t num_elements, const float* importance, std::byte* out) {
  auto* blocks = reinterpret_cast<Block*>(out);
  for (int64_t i = 0; i < num_elements / Block::kNumElements; ++i) {
    const int64_t first = i * Block::kNumElements;
    encode_block(row + first, importance ? importance + first : nullptr, blocks[i]);
  }
}

struct Format {
  DType dtype;
  DecodeRow decode;
  EncodeRow encode;
};

// A format that gesso reads.
template <typename Block>
Format read() {
  return {Block::kDType, widest_decode_row<Block>(), nullptr};
}

// A format that gesso reads and writes.
template <typename Block>
Format read_write() {
  return {Block::kDType, widest_decode_row<Block>(), encode_row<Block>};
}

std::span<const Format> formats() {
  // clang-format off
  static const Format kFormats[] = {
      read_write<BlockF32>(),
      read_write<BlockF16>(),
      read_write<BlockBF16>(),
      read_write<BlockQ8_0>(),
      read_write<BlockQ4_0>(),
      read_write<BlockQ4_1>(),
      read_write<BlockQ5_0>(),
      read_write<BlockQ5_1>(),
      read_write<BlockQ2_K>(),
      read_write<BlockQ3_K>(),
      read_write<BlockQ4_K>(),
      read_write<BlockQ5_K>(),
      read_write<BlockQ6_K>(),
      read<BlockIQ2_XXS>(),
      read<BlockIQ2_XS>(),
      read<BlockIQ3_XXS>(),
      read<BlockIQ1_S>(),
      read_write<BlockIQ4_NL>(),
      read<BlockIQ3_S>(),
      read<BlockIQ2_S>(),
      read_write<BlockIQ4_XS>(),
      read<BlockIQ1_M>(),
      read<BlockTQ1_0>(),
      read<BlockTQ2_0>(),
      read_write<BlockMXFP4>(),
      read_write<BlockNVFP4>(),
      read<BlockQ1_0>(),
      read<BlockQ2_0>(),
  };
  // clang-format on
  return kFormats;
}

const Format* find_format(DType dtype) {
  for (const Format& format : formats()) {
    if (format.dtype == dtype) return &format;
  }
  return nullptr;
}

template <typename Member>
std::string names_of_types_with(Member member) {
  std::string names;
  for (const Format& format : formats()) {
    if (!(format.*member)) continue;
    if (!names.empty()) names += ", ";
    names += dtype_name(format.dtype);
  }
  return names;
}

}  // namespace

DecodeRow find_decoder(DType dtype) {
  const Format* format = find_format(dtype);
  return format ? format->decode : nullptr;
}

EncodeRow find_encoder(DType dtype) {
  const Format* format = find_format(dtype);
  return format ? format->encode : nullptr;
}

std::string supported_types() { return names_of_types_with(&Format::decode); }
std::string encodable_types() { return names_of_types_with(&Format::encode); }

}  // namespace gesso::quant
