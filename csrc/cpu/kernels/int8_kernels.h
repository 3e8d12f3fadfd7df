// The inner loops of products with stored integers, for each instruction set. All give the same bits: sums of integers
// are exact, and those of floats use fused multiply-adds in one order.
#pragma once

#include <cstdint>

#include "core/tensor.h"
#include "cpu/products/int8_rows.h"
#include "cpu/products/int8_tile.h"

namespace gesso::cpu {

// Where outputs go that are in no cache yet: into one, or past them, which spares the memory a read of what they
// replace.
enum class Stores { kCached, kStreamed };

struct Int8Kernels {
  const char* name;  // "avx512_vnni"

  // out[i, n] = scale * dot(x[rows[i]], weight[n]) for 0 <= i < num_rows and the tile's outputs n; rows == nullptr
  // means rows[i] = i. For each block of x in turn:
  //   block = weight scale * float(integer dot product) of its first group, and block = fma(.., .., block) of the
  //   others; with a minimum, after each, block = fma(-min, sum of x's integers, block); sum = fma(block, x's scale,
  //   sum).
  void (*multiply)(const Int8Tile& tile, const Int8Rows& x, const int32_t* rows, int64_t num_rows, float scale,
                   Matrix out, Stores stores, FetchAhead& ahead);

  // Rounds a row, see Int8Rows, and sums each `group` (16 or 32) of its integers.
  void (*round_row)(const float* x, int64_t columns, int group, int8_t* values, float* scales, int32_t* sums);

  // out[word, n] = rows[n * stride + word] for 0 <= n < 32 and 0 <= word < count. Reads and writes up to the next
  // multiple of 4 words; out is 64-byte aligned.
  void (*transpose_words)(const uint32_t* rows, int64_t stride, int64_t count, uint32_t* out);
};

// The fastest that this machine runs; chosen once.
const Int8Kernels& int8_kernels();

}  // namespace gesso::cpu
