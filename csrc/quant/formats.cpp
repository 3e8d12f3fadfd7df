#include "quant/formats.h"

#include "quant/bf16.h"
#include "quant/f16.h"
#include "quant/f32.h"
#include "quant/q4_0.h"
#include "quant/q4_k.h"
#include "quant/q8_0.h"

namespace gesso::quant {
namespace {

template <typename Block>
void decode_row(const std::byte* row, int64_t num_elements, float* out) {
  const auto* blocks = reinterpret_cast<const Block*>(row);  // blocks are byte arrays, so any address will do
  const int64_t num_blocks = num_elements / Block::kNumElements;
  for (int64_t i = 0; i < num_blocks; ++i) decode_block(blocks[i], out + i * Block::kNumElements);
}

struct Format {
  DType dtype;
  DecodeRow decode;
};

template <typename Block>
constexpr Format format() {
  return {Block::kDType, decode_row<Block>};
}

// clang-format off
constexpr Format kFormats[] = {
    format<BlockF32>(),
    format<BlockF16>(),
    format<BlockBF16>(),
    format<BlockQ8_0>(),
    format<BlockQ4_0>(),
    format<BlockQ4_K>(),
};
// clang-format on

}  // namespace

DecodeRow find_decoder(DType dtype) {
  for (const Format& format : kFormats) {
    if (format.dtype == dtype) return format.decode;
  }
  return nullptr;
}

std::string supported_types() {
  std::string names;
  for (const Format& format : kFormats) {
    if (!names.empty()) names += ", ";
    names += dtype_name(format.dtype);
  }
  return names;
}

}  // namespace gesso::quant
