#include "quant/integers.h"

#include <algorithm>
#include <cstring>

#include "quant/all_blocks.h"
#include "quant/half.h"
#include "quant/targets.h"

namespace gesso::quant {
namespace {

constexpr int kBlocksAtOnce = 32;

template <typename Block>
constexpr int kGroupsPerBlock = Block::kNumElements / Block::kGroup;

// Reads a half precision number of each of `count` blocks: d for h = 0, or the m or dmin behind it for h = 1. They are
// converted together; one by one, they would take longer than the levels.
template <typename Block>
inline void load_halves(const Block* blocks, int count, int h, float (&halves)[kBlocksAtOnce]) {
  uint16_t stored[kBlocksAtOnce] = {};
  for (int i = 0; i < count; ++i) std::memcpy(&stored[i], blocks[i].d + 2 * h, sizeof(uint16_t));
  for (int i = 0; i < kBlocksAtOnce; ++i) halves[i] = half_to_float(stored[i]);
}

// Where the minimums from `group` on go. Of formats without minimums nothing is written, and `mins` may be nullptr.
template <typename Block>
inline float* minimums_from(float* mins, int64_t group) {
  return Block::kHasMin ? mins + group : nullptr;
}

template <typename Block>
inline void unpack_scales_of(const Block* blocks, int count, float* scales, float* mins) {
  float d[kBlocksAtOnce], m[kBlocksAtOnce];
  if constexpr (Block::kNumHalves > 0) load_halves(blocks, count, 0, d);
  if constexpr (Block::kNumHalves > 1) load_halves(blocks, count, 1, m);
  for (int i = 0; i < count; ++i) {
    const int group = i * kGroupsPerBlock<Block>;
    unpack_scales(blocks[i], d[i], m[i], scales + group, minimums_from<Block>(mins, group));
  }
}

template <typename Block>
inline void unpack_row(const std::byte* row, int64_t num_elements, uint8_t* levels, float* scales, float* mins) {
  const auto* blocks = reinterpret_cast<const Block*>(row);  // blocks are arrays of bytes, so any address is aligned
  const int64_t num_blocks = num_elements / Block::kNumElements;
  int64_t i = 0;
  for (; i + kBlocksAtOnce <= num_blocks; i += kBlocksAtOnce) {
    const int64_t group = i * kGroupsPerBlock<Block>;
    unpack_scales_of(blocks + i, kBlocksAtOnce, scales + group, minimums_from<Block>(mins, group));
  }
  const int64_t group = i * kGroupsPerBlock<Block>;
  unpack_scales_of(blocks + i, static_cast<int>(num_blocks - i), scales + group, minimums_from<Block>(mins, group));
#pragma GCC unroll 4
  for (int64_t j = 0; j < num_blocks; ++j) unpack_levels(blocks[j], levels + j * Block::kNumElements);
}

#ifdef GESSO_COMPILE_FOR
template <typename Block>
GESSO_COMPILE_FOR("arch=x86-64-v4")
void unpack_row_avx512(const std::byte* row, int64_t num_elements, uint8_t* levels, float* scales, float* mins) {
  unpack_row<Block>(row, num_elements, levels, scales, mins);
}

template <typename Block>
GESSO_COMPILE_FOR("arch=x86-64-v3")
void unpack_row_avx2(const std::byte* row, int64_t num_elements, uint8_t* levels, float* scales, float* mins) {
  unpack_row<Block>(row, num_elements, levels, scales, mins);
}
#endif

template <typename Block>
UnpackRow widest_unpack_row() {
#ifdef GESSO_COMPILE_FOR
  if (__builtin_cpu_supports("x86-64-v4")) return unpack_row_avx512<Block>;
  if (__builtin_cpu_supports("x86-64-v3")) return unpack_row_avx2<Block>;
#endif
  return unpack_row<Block>;
}

template <typename Block>
Integers integers_of() {
  constexpr bool kIsWide = Block::kOffset == 128;
  return {Block::kDType, Block::kGroup, Block::kOffset, Block::kHasMin, kIsWide, widest_unpack_row<Block>()};
}

// A format whose elements are integers has this and the functions that go with it.
template <typename Block>
concept HasIntegers = requires { Block::kGroup; };

template <typename Block>
const Integers* find_if(DType dtype) {
  if constexpr (HasIntegers<Block>) {
    static const Integers kIntegers = integers_of<Block>();
    if (dtype == Block::kDType) return &kIntegers;
  }
  return nullptr;
}

template <typename... Blocks>
const Integers* find_in(BlockList<Blocks...>, DType dtype) {
  const Integers* found = nullptr;
  static_cast<void>(((found = find_if<Blocks>(dtype)) || ...));
  return found;
}

}  // namespace

const Integers* find_integers(DType dtype) { return find_in(AllBlocks{}, dtype); }

}  // namespace gesso::quant
