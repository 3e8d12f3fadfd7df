// Rows of a float32 matrix, read and written four neighbouring columns at a time, as a thread of an elementwise kernel
// does.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/tensor.h"
#include "cuda/device/kernel.h"

namespace gesso::cuda {

struct alignas(16) Quad {
  float v[4];
};

// A matrix as kernels see it. Which thread gets which columns does not depend on the alignment, so results do not
// depend on it.
template <typename T>
struct QuadRows {
  T* data;
  int64_t stride;
  int32_t columns;
  int32_t is_aligned;  // 1 if every row begins at a multiple of 16 bytes. A bool's padding bytes would be undefined

  explicit QuadRows(const MatrixView<T>& matrix)
      : data(matrix.data),
        stride(matrix.stride),
        columns(static_cast<int32_t>(matrix.columns)),
        is_aligned(reinterpret_cast<uintptr_t>(data) % sizeof(Quad) == 0 && (stride % 4 == 0 || matrix.rows <= 1)) {}

  // Whether the four columns from `column` on all exist and can be moved by one instruction.
  __device__ bool is_whole(int64_t column) const { return is_aligned != 0 && column + 4 <= columns; }

  __device__ Quad load_whole(int64_t row, int64_t column) const {
    return *reinterpret_cast<const Quad*>(data + row * stride + column);
  }

  // Columns past the end count as zero.
  __device__ Quad load(int64_t row, int64_t column) const {
    if (is_whole(column)) return load_whole(row, column);
    Quad quad;
#pragma unroll
    for (int i = 0; i < 4; ++i) quad.v[i] = column + i < columns ? data[row * stride + column + i] : 0.0f;
    return quad;
  }

  // Columns past the end are left out.
  __device__ void store(int64_t row, int64_t column, const Quad& quad) const {
    if (is_whole(column)) {
      *reinterpret_cast<Quad*>(data + row * stride + column) = quad;
      return;
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (column + i < columns) data[row * stride + column + i] = quad.v[i];
    }
  }
};

// A thread's columns: threads get four columns each, in turn. With 64 threads, thread 1 has columns 4 to 7, then 260 to
// 263.
//   for (int64_t column = first_column(); column < columns; column += column_step()) ...
__device__ inline int64_t first_column() { return 4 * static_cast<int64_t>(threadIdx.x); }
__device__ inline int64_t column_step() { return 4 * static_cast<int64_t>(blockDim.x); }

// Whether the warp still has columns. A loop whose threads exchange values asks this: all lanes of a warp leave it
// together. The columns of a lane may then be behind the end.
__device__ inline bool is_warp_inside(int64_t column, int64_t columns) { return column - 4 * lane_index() < columns; }

// The number of threads for such a block. It depends on the number of columns alone, and with it the order of a row's
// sums.
constexpr int kMaxRowThreads = 1024;
inline int row_threads(int64_t columns) {
  const int64_t warps = (columns + 4 * kWarpSize - 1) / (4 * kWarpSize);
  return static_cast<int>(std::clamp<int64_t>(warps * kWarpSize, kWarpSize, kMaxRowThreads));
}

}  // namespace gesso::cuda
