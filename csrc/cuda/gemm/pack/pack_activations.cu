// Neighbouring threads read neighbouring columns. The rows of x may have any stride. Bytes bound the speed: x is read
// once.
#include "cuda/gemm/pack/pack_activations.h"

#include <bit>

#include "cuda/device/bf16.h"
#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/device/warp.h"

namespace gesso::cuda {
namespace {

constexpr int kPackThreads = 256;

// x [R, K], and its number of columns rounded up to whole steps.
struct PackSource {
  const float* data;
  int64_t stride;
  int64_t rows;
  int64_t columns;
  int64_t whole_columns;

  explicit PackSource(ConstMatrix x)
      : data(x.data),
        stride(x.stride),
        rows(x.rows),
        columns(x.columns),
        whole_columns((x.columns + kStepColumns - 1) / kStepColumns * kStepColumns) {}
};

// The place that a thread packs: kCount neighbouring columns of a row.
template <int kCount>
struct PackPlace {
  int64_t row;
  int64_t column;
  bool is_inside;

  __device__ explicit PackPlace(const PackSource& x) {
    const int64_t index = static_cast<int64_t>(blockIdx.x) * kPackThreads + threadIdx.x;
    const int64_t per_row = x.whole_columns / kCount;
    row = index / per_row;
    column = index % per_row * kCount;
    is_inside = row < x.rows;
  }
};

template <int kCount>
__device__ inline void load(const PackSource& x, const PackPlace<kCount>& place, float (&values)[kCount]) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    const bool is_there = place.is_inside && place.column + i < x.columns;
    values[i] = is_there ? x.data[place.row * x.stride + place.column + i] : 0.0f;
  }
}

// A thread packs 8 columns.   values bf16 [R, whole columns], or three times as many columns if is_split.
// grid R * whole columns / (8 * 256).
// ptxas: <= 64 registers
__global__ void __launch_bounds__(kPackThreads) pack_bf16_kernel(PackSource x, uint16_t* values, bool is_split) {
  const PackPlace<8> place(x);
  if (!place.is_inside) return;
  float loaded[8];
  load(x, place, loaded);
  uint32_t high[4], low[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float first = loaded[2 * i], second = loaded[2 * i + 1];
    high[i] = pack_bf16(first, second);
    low[i] = pack_bf16(first - bf16_low(high[i]), second - bf16_high(high[i]));
  }
  const uint4 high_piece = make_uint4(high[0], high[1], high[2], high[3]);
  if (!is_split) {
    *reinterpret_cast<uint4*>(values + place.row * x.whole_columns + place.column) = high_piece;
    return;
  }
  const int64_t step = place.column / kStepColumns, inside = place.column % kStepColumns;
  uint16_t* first = values + 3 * (place.row * x.whole_columns + step * kStepColumns) + inside;
  *reinterpret_cast<uint4*>(first) = high_piece;
  *reinterpret_cast<uint4*>(first + kStepColumns) = make_uint4(low[0], low[1], low[2], low[3]);
  *reinterpret_cast<uint4*>(first + 2 * kStepColumns) = high_piece;
}

// A block of 32 columns belongs to 8 neighbouring lanes.
constexpr int kBlockLanes = 8;

constexpr uint32_t kInfinityBits = 0x7f800000u, kNaNBits = 0x7fc00000u;
// 2^-120. A block whose largest magnitude is smaller counts as zeros, because 127 divided by it might be an infinity.
constexpr uint32_t kSmallestBits = 0x03800000u;

// The largest magnitude of a block, as bits. As bits an infinity is larger than all numbers, and NaN is larger still.
__device__ inline uint32_t block_magnitude(const float (&values)[4]) {
  uint32_t largest = 0;
#pragma unroll
  for (float value : values) {
    const uint32_t magnitude = std::bit_cast<uint32_t>(value) & 0x7fffffffu;
    largest = magnitude > largest ? magnitude : largest;
  }
#pragma unroll
  for (int mask = 1; mask < kBlockLanes; mask *= 2) {
    const uint32_t other = shuffle_xor(largest, mask);
    largest = other > largest ? other : largest;
  }
  return largest;
}

// A thread packs 4 columns.   values int8 [R, whole columns], scales [R, steps].
// grid R * whole columns / (4 * 256).
// ptxas: <= 64 registers; SHFL
__global__ void __launch_bounds__(kPackThreads) pack_int8_kernel(PackSource x, uint32_t* values, StepScales* scales) {
  const PackPlace<4> place(x);
  float loaded[4];
  load(x, place, loaded);
  const uint32_t magnitude = block_magnitude(loaded);
  const bool is_finite = magnitude < kInfinityBits;
  const bool has_values = is_finite && magnitude >= kSmallestBits;
  const float largest = has_values ? std::bit_cast<float>(magnitude) : 1.0f;
  // A block with a NaN or an infinity becomes NaN as a whole.
  const float scale = has_values ? largest / 127.0f : is_finite ? 0.0f : std::bit_cast<float>(kNaNBits);
  const float per_scale = 127.0f / largest;
  uint32_t packed = 0;
  int32_t sum = 0;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    // A float plus 1.5 * 2^23 has no bits for fractions, so the sum is rounded to the nearest integer. With this scale
    // the integer is at most 127.
    const float rounded = (has_values ? loaded[i] * per_scale : 0.0f) + 0x1.8p23f;
    const int32_t integer = std::bit_cast<int32_t>(rounded) - std::bit_cast<int32_t>(0x1.8p23f);
    packed |= (static_cast<uint32_t>(integer) & 0xff) << 8 * i;
    sum += integer;
  }
#pragma unroll
  for (int mask = 1; mask < kBlockLanes; mask *= 2) sum += shuffle_xor(sum, mask);
  if (!place.is_inside) return;
  values[(place.row * x.whole_columns + place.column) / 4] = packed;
  if (lane_index() % kBlockLanes != 0) return;
  StepScales& step = scales[(place.row * x.whole_columns + place.column) / kStepColumns];
  const int64_t block = place.column / 32 % 2;
  step.scale[block] = scale;
  step.sum[block] = scale * static_cast<float>(sum);
}

}  // namespace

void pack_activations(const Queue& queue, ConstMatrix x, const PackedRows& packed) {
  const PackSource source(x);
  const auto grid = [&](int64_t columns) {
    const int64_t threads = source.rows * source.whole_columns / columns;
    return dim3(static_cast<unsigned>((threads + kPackThreads - 1) / kPackThreads));
  };
  auto* values = const_cast<std::byte*>(packed.values);
  if (packed.format.type == RowType::kInt8) {
    launch("pack_activations", {grid(4), kPackThreads, 0, queue.stream()}, pack_int8_kernel, source,
           reinterpret_cast<uint32_t*>(values), const_cast<StepScales*>(packed.scales));
  } else {
    launch("pack_activations", {grid(8), kPackThreads, 0, queue.stream()}, pack_bf16_kernel, source,
           reinterpret_cast<uint16_t*>(values), packed.format.type == RowType::kSplitBF16);
  }
}

}  // namespace gesso::cuda
