// The inner loops of products with stored integers. There is one implementation for each instruction set, and all give
// the same bits: sums of integers are exact, and sums of floats use fused multiply-adds in the same order.
#pragma once

#include <cstdint>

#include "core/tensor.h"
#include "cpu/products/int8_rows.h"
#include "cpu/products/int8_tile.h"

namespace gesso::cpu {

// How outputs are stored that are not in a cache. kCached brings their lines into the cache first, which reads from
// memory what will be overwritten. kStreamed writes past the caches, without that read.
enum class Stores { kCached, kStreamed };

struct Int8Kernels {
  const char* name;  // "avx512_vnni"

  // out[i, n] = scale * dot(x[rows[i]], weight[n]) for 0 <= i < num_rows and the tile's outputs n. rows == nullptr
  // means rows[i] = i. The order of the operations is fixed. With sum = 0, for each block of 64 columns of x in turn:
  //   for the block's first group of columns:  block = weight scale * float(integer dot product)
  //   for each other group:                    block = fma(weight scale, float(integer dot product), block)
  //   after each group, if there are minimums: block = fma(-min, sum of x's integers in the group, block)
  //   after the block's last group:            sum = fma(block, scale of x's block, sum)
  // `ahead` fetches the bytes of the next tile meanwhile.
  void (*multiply)(const Int8Tile& tile, const Int8Rows& x, const int32_t* rows, int64_t num_rows, float scale,
                   Matrix out, Stores stores, FetchAhead& ahead);

  // Rounds a row as Int8Rows describes. A group is `group` columns, 16 or 32; sums[g] is the sum of the integers of
  // group g.
  void (*round_row)(const float* x, int64_t columns, int group, int8_t* values, float* scales, int32_t* sums);

  // out[word, n] = rows[n * stride + word] for 0 <= n < 32 and 0 <= word < count. The function rounds `count` up to a
  // multiple of 4 and reads and writes so many words of each row. `out` must be 64-byte aligned.
  void (*transpose_words)(const uint32_t* rows, int64_t stride, int64_t count, uint32_t* out);

  // multiply() reads the levels of a tile as [K / 4, 32, 4], or as [K / 8, 32, 8] where this is 8.
  int columns_together = 4;
};

// Returns the fastest kernels that this machine runs. They are chosen at the first call.
const Int8Kernels& int8_kernels();

}  // namespace gesso::cpu
