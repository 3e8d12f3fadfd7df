// The product of int8_kernels.h, written for any instruction set. Each int8_<set>.cpp includes this header once. It
// first defines GESSO_SIMD (the attributes of a function for its set) and struct Simd: the registers (as in avx2.h) and
//   kVectors, kMaxRows        kVectors registers of outputs and kMaxRows rows of x are multiplied at once
//   kQuads                    how many groups of four columns dot() takes at once
//   Levels<kIsWide>           the levels of four columns and kLanes outputs; kIsWide is quant::Integers::is_wide
//   load_levels<kIsWide>      loads Levels
//   broadcast                 loads four columns of a row of x, for all outputs
//   dot<kIsWide>              returns sum + level * x
//   kTakesDistances           whether dot() takes wide levels as their distances to the offset 128
//   stream, end_streams       stores an aligned register past the caches; is called after the last such store
// A set that multiplies several rows of x at once has a multiply_group of its own in place of kQuads, Levels,
// load_levels, broadcast and dot; and kColumnsTogether, as in Int8Kernels.
#pragma once

#include <algorithm>
#include <cstring>

#include "cpu/kernels/int8_kernels.h"

namespace gesso::cpu {
namespace {

// The rows of x that are multiplied at once.
struct RowBlock {
  const int8_t* values[Simd::kMaxRows];
  const float* scales[Simd::kMaxRows];
  const int32_t* offsets[Simd::kMaxRows];
  const float* sums[Simd::kMaxRows];
  float* out[Simd::kMaxRows];
  Stores stores;
  FetchAhead* ahead;
};

constexpr int kPassOutputs = Simd::kLanes * Simd::kVectors;
static_assert(kTileOutputs % kPassOutputs == 0);

template <typename Set>
constexpr bool kHasOwnGroups = requires { Set::kColumnsTogether; };

template <typename Set>
constexpr int columns_together() {
  if constexpr (kHasOwnGroups<Set>) return Set::kColumnsTogether;
  return 4;
}

// Computes the integer dot products of one group of columns, for R rows and kPassOutputs outputs with these levels.
template <typename Set, int R, int kGroup, bool kHasNoOffset, bool kIsWide>
GESSO_SIMD inline void multiply_group(const uint8_t* levels, const RowBlock& block, int64_t group,
                                      Simd::Ints (&dots)[R][Simd::kVectors]) {
  constexpr int V = Set::kVectors, kQuads = Set::kQuads;
  for (int r = 0; r < R; ++r) {
    const Simd::Ints start = Set::set1(kHasNoOffset ? 0 : block.offsets[r][group]);
    for (int v = 0; v < V; ++v) dots[r][v] = start;
  }
#pragma GCC unroll 8
  for (int q = 0; q < kGroup / 4; q += kQuads) {
    typename Set::template Levels<kIsWide> weights[V][kQuads];
    for (int v = 0; v < V; ++v) {
      for (int i = 0; i < kQuads; ++i) {
        weights[v][i] = Set::template load_levels<kIsWide>(levels + 4 * (kTileOutputs * (q + i) + Set::kLanes * v));
      }
    }
    for (int r = 0; r < R; ++r) {
      Simd::Ints x[kQuads];
      for (int i = 0; i < kQuads; ++i) x[i] = Set::broadcast(block.values[r] + group * kGroup + 4 * (q + i));
      for (int v = 0; v < V; ++v) dots[r][v] = Set::template dot<kIsWide>(dots[r][v], weights[v], x);
    }
  }
}

template <typename Set, int R, int kGroup, bool kHasNoOffset, bool kIsWide>
  requires kHasOwnGroups<Set>
GESSO_SIMD inline void multiply_group(const uint8_t* levels, const RowBlock& block, int64_t group,
                                      Simd::Ints (&dots)[R][Simd::kVectors]) {
  Set::template multiply_group<R, kGroup, kHasNoOffset>(levels, block, group, dots);
}

// Adds the products of the groups `group` .. `group` + kGroups - 1 to the sums. These groups are one block of x (or
// half a block), so they share a scale of x.
template <int R, int kGroup, int kGroups, bool kHasMin, bool kIsWide>
GESSO_SIMD inline void add_groups(const Int8Tile& tile, const RowBlock& block, int64_t first, int64_t group,
                                  Simd::Floats (&sums)[R][Simd::kVectors]) {
  constexpr int V = Simd::kVectors;
  constexpr bool kHasNoOffset = kHasMin || (kIsWide && Simd::kTakesDistances);
  constexpr int kTogether = columns_together<Simd>();
  Simd::Floats block_sums[R][V];
#pragma GCC unroll 4
  for (int i = 0; i < kGroups; ++i) {
    const int64_t g = group + i;
    Simd::Ints dots[R][V];
    multiply_group<Simd, R, kGroup, kHasNoOffset, kIsWide>(
        tile.levels + kTogether * (g * kGroup / kTogether * kTileOutputs + first), block, g, dots);
    for (int v = 0; v < V; ++v) {
      const int64_t place = g * kTileOutputs + first + Simd::kLanes * v;
      const Simd::Floats weight_scale = Simd::load(tile.scales + place);
      for (int r = 0; r < R; ++r) {
        const Simd::Floats dot = Simd::to_floats(dots[r][v]);
        block_sums[r][v] = i == 0 ? Simd::mul(dot, weight_scale) : Simd::fmadd(dot, weight_scale, block_sums[r][v]);
      }
      if constexpr (kHasMin) {
        const Simd::Floats min = Simd::load(tile.mins + place);
        for (int r = 0; r < R; ++r) {
          block_sums[r][v] = Simd::fnmadd(min, Simd::set1(block.sums[r][g]), block_sums[r][v]);
        }
      }
    }
  }
  for (int r = 0; r < R; ++r) {
    const Simd::Floats x_scale = Simd::set1(block.scales[r][group * kGroup / kInt8Block]);
    for (int v = 0; v < V; ++v) sums[r][v] = Simd::fmadd(block_sums[r][v], x_scale, sums[r][v]);
  }
}

// Multiplies R rows with kPassOutputs outputs from `first` on.
template <int R, int kGroup, bool kHasMin, bool kIsWide>
GESSO_SIMD void multiply_block(const Int8Tile& tile, const RowBlock& block, int64_t first, float scale) {
  constexpr int V = Simd::kVectors, kGroups = kInt8Block / kGroup;
  if (block.stores == Stores::kCached) {  // the outputs are fetched now, so that storing them does not wait later
    for (int r = 0; r < R; ++r) {
      for (int v = 0; v < V; ++v) __builtin_prefetch(block.out[r] + first + Simd::kLanes * v, 1);
    }
  }
  Simd::Floats sums[R][V] = {};
  const int64_t num_groups = tile.columns / kGroup;
  int64_t group = 0;
  for (; group + kGroups <= num_groups; group += kGroups) {
    block.ahead->advance(multiply_work(R * kInt8Block * kPassOutputs));
    add_groups<R, kGroup, kGroups, kHasMin, kIsWide>(tile, block, first, group, sums);
  }
  // The last block of x has 32 columns where the number of columns is an odd multiple of 32.
  if (group < num_groups) add_groups<R, kGroup, kGroups / 2, kHasMin, kIsWide>(tile, block, first, group, sums);
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < V; ++v) {
      const int64_t output = first + Simd::kLanes * v;
      const Simd::Floats result = Simd::mul(sums[r][v], Simd::set1(scale));
      if (block.stores == Stores::kStreamed && output + Simd::kLanes <= tile.num_outputs) {
        Simd::stream(block.out[r] + output, result);
      } else {
        Simd::store(block.out[r] + output, result, tile.num_outputs - output);
      }
    }
  }
}

// Finds the R that equals num_rows. R has to be a constant of the compiler, so that the sums stay in registers.
template <int R, int kGroup, bool kHasMin, bool kIsWide>
void multiply_rows(const Int8Tile& tile, const RowBlock& block, int num_rows, float scale) {
  if constexpr (R > 1) {
    if (num_rows < R) return multiply_rows<R - 1, kGroup, kHasMin, kIsWide>(tile, block, num_rows, scale);
  }
  for (int64_t first = 0; first < tile.num_outputs; first += kPassOutputs) {
    multiply_block<R, kGroup, kHasMin, kIsWide>(tile, block, first, scale);
  }
}

template <int kGroup>
void multiply_rows(const Int8Tile& tile, const RowBlock& block, int num_rows, float scale) {
  constexpr int R = Simd::kMaxRows;
  if (tile.mins) return multiply_rows<R, kGroup, true, false>(tile, block, num_rows, scale);
  return tile.integers.is_wide ? multiply_rows<R, kGroup, false, true>(tile, block, num_rows, scale)
                               : multiply_rows<R, kGroup, false, false>(tile, block, num_rows, scale);
}

// Whether each row of `out` begins at a cache line, as streamed stores of whole lines need.
bool is_aligned(Matrix out) {
  constexpr uintptr_t kLineBytes = 64;
  return (reinterpret_cast<uintptr_t>(out.data) | static_cast<uintptr_t>(out.stride) * sizeof(float)) % kLineBytes == 0;
}

void multiply(const Int8Tile& tile, const Int8Rows& x, const int32_t* rows, int64_t num_rows, float scale, Matrix out,
              Stores stores, FetchAhead& ahead) {
  if (!is_aligned(out)) stores = Stores::kCached;
  // The rows are divided into blocks of about the same size: with kMaxRows = 5, 7 rows are 4 + 3 and not 5 + 2.
  int64_t num_blocks = (num_rows + Simd::kMaxRows - 1) / Simd::kMaxRows;
  for (int64_t first = 0; first < num_rows; --num_blocks) {
    const int count = static_cast<int>((num_rows - first + num_blocks - 1) / num_blocks);
    RowBlock block;
    block.stores = stores;
    block.ahead = &ahead;
    for (int r = 0; r < count; ++r) {
      const int64_t row = rows ? rows[first + r] : first + r;
      block.values[r] = x.values_of(row);
      block.scales[r] = x.scales_of(row);
      block.offsets[r] = x.offsets_of(row);
      block.sums[r] = x.sums_of(row);
      block.out[r] = out.row(first + r);
    }
    if (tile.integers.group == 32) {
      multiply_rows<32>(tile, block, count, scale);
    } else {
      multiply_rows<16>(tile, block, count, scale);
    }
    first += count;
  }
  if (stores == Stores::kStreamed) Simd::end_streams();
}

}  // namespace
}  // namespace gesso::cpu
