#include "quant/formats.h"

#include <span>

#include "core/dtype_table.h"
#include "quant/all_blocks.h"
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

// A format can be written if its header declares encode_block.
template <typename Block>
concept Writable = requires(const float* x, Block& block) { encode_block(x, x, block); };

template <typename Block>
Format format_of() {
  EncodeRow encode = nullptr;
  if constexpr (Writable<Block>) encode = encode_row<Block>;
  return {Block::kDType, widest_decode_row<Block>(), encode};
}

template <typename... Blocks>
std::span<const Format> formats_of(BlockList<Blocks...>) {
  static const Format kFormats[] = {format_of<Blocks>()...};
  return kFormats;
}

// What core/dtype_table.h says of a format is what its struct has.
template <typename Block>
constexpr bool has_row() {
  for (const DTypeInfo& info : kDTypes) {
    if (info.dtype == Block::kDType)
      return info.block_elements == Block::kNumElements && info.block_bytes == sizeof(Block);
  }
  return false;
}
template <typename... Blocks>
constexpr bool all_have_rows(BlockList<Blocks...>) {
  return (has_row<Blocks>() && ...);
}
static_assert(all_have_rows(AllBlocks{}),
              "core/dtype_table.h: a format of quant/all_blocks.h is missing, or has other sizes");

std::span<const Format> formats() { return formats_of(AllBlocks{}); }

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
