// One block per row. All threads look for the row's largest value, then each packs some of its blocks of 16 or 32
// columns. Bytes bound the speed; there are few of them.
#include "cuda/gemm/pack/pack_fp4_activations.h"

#include "core/check.h"
#include "cuda/block/quad_rows.h"
#include "cuda/block/reduce.h"
#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/gemm/pack/fp4_activations.h"
#include "cuda/gemm/pack/magnitude.h"

namespace gesso::cuda {
namespace {

constexpr int kPackThreads = 256;

// The largest magnitude of a row.
__device__ uint32_t largest_of_row(const QuadRows<const float>& x, int64_t row, uint32_t* scratch) {
  uint32_t max_bits = 0;
  for (int64_t column = first_column(); column < x.columns; column += column_step()) {
    max_bits = largest_bits(x.load(row, column), max_bits);
  }
  return block_max(max_bits, scratch);
}

// Packs the kBlock columns from `column` on, with all terms.
template <typename Format, int kTerms>
__device__ void pack_block(const QuadRows<const float>& x, int64_t row, int64_t column, float inverse_scale,
                           Fp4Activations<kTerms>& step) {
  float rest[Format::kBlock];
#pragma unroll
  for (int i = 0; i < Format::kBlock; i += 4) {
    const Quad values = x.load(row, column + i);
#pragma unroll
    for (int j = 0; j < 4; ++j) rest[i + j] = values.v[j] * inverse_scale;
  }
  const int block = static_cast<int>(column % kStepColumns) / Format::kBlock;
#pragma unroll
  for (int term = 0; term < kTerms; ++term) {
    const Fp4Scale scale = take_fp4_term<Format>(rest, step.values[term] + block * (Format::kBlock / 8));
    reinterpret_cast<uint8_t*>(&step.scales[term])[block] = static_cast<uint8_t>(scale.code);
  }
}

// x [R, K], steps [R, ceil(K / 64)], row_scales [R].   grid R, shared kReduceScratch uint32s.
// ptxas: <= 96 registers
template <typename Format, int kTerms>
__global__ void __launch_bounds__(kPackThreads)
    pack_fp4_activations_kernel(QuadRows<const float> x, Fp4Activations<kTerms>* steps, float* row_scales) {
  wait_for_earlier_kernels();
  const int64_t row = blockIdx.x;
  const uint32_t max_bits = largest_of_row(x, row, shared_memory<uint32_t>());
  const float scale = Format::row_scale(max_bits);
  if (threadIdx.x == 0) row_scales[row] = max_bits < kInfinityBits ? scale : std::bit_cast<float>(kNaNBits);

  const int64_t num_steps = (x.columns + kStepColumns - 1) / kStepColumns;
  for (int64_t column = threadIdx.x * int64_t{Format::kBlock}; column < num_steps * kStepColumns;
       column += kPackThreads * Format::kBlock) {
    pack_block<Format>(x, row, column, 1.0f / scale, steps[row * num_steps + column / kStepColumns]);
  }
}

template <typename Format, int kTerms>
void launch_pack(const Queue& queue, ConstMatrix x, const PackedRows& packed) {
  const Launch rows = {dim3(static_cast<unsigned>(x.rows)), kPackThreads, kReduceScratch * sizeof(uint32_t),
                       queue.stream()};
  auto* steps = reinterpret_cast<Fp4Activations<kTerms>*>(const_cast<std::byte*>(packed.values));
  launch("pack_fp4_activations", rows, pack_fp4_activations_kernel<Format, kTerms>, QuadRows(x), steps,
         const_cast<float*>(packed.row_scales));
}

}  // namespace

void pack_fp4_activations(const Queue& queue, ConstMatrix x, const PackedRows& packed) {
  const auto [type, terms] = packed.format;
  if (type == RowType::kNvFp4 && terms == 2) return launch_pack<NvFp4, 2>(queue, x, packed);
  if (type == RowType::kNvFp4 && terms == 3) return launch_pack<NvFp4, 3>(queue, x, packed);
  if (type == RowType::kMxFp4 && terms == 3) return launch_pack<MxFp4, 3>(queue, x, packed);
  if (type == RowType::kMxFp4 && terms == 4) return launch_pack<MxFp4, 4>(queue, x, packed);
  check(false, "no kernel packs rows as sums of ", terms, " 4-bit floats");
}

}  // namespace gesso::cuda
