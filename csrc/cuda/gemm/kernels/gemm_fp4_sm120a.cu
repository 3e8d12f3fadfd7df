// The matrix kernel for weights in NVFP4 and MXFP4 on sm_120 and sm_121. There the matrix units take the 4-bit floats
// and their scales as the file has them, so nothing is decoded. Rows of x are sums of such floats (fp4_activations.h).
// The products of all terms go into the same accumulators.
//
// Copies and work are as in gemm_bf16.cuh: raw weights and rows of x arrive some steps of 64 columns before they are
// needed. With many rows of x the matrix units bound the speed, with few the bytes of the weights.
#include "core/check.h"
#include "cuda/device/async_copy.h"
#include "cuda/device/barrier.h"
#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/gemm/gemm_code.h"
#include "cuda/gemm/gemm_work.cuh"
#include "cuda/gemm/kernels/gemm_fp4_tile.cuh"
#include "cuda/gemm/kernels/gemm_store.cuh"

namespace gesso::cuda {
namespace {

// How a block uses its shared memory.
template <typename Weights, int kTerms, int kRows>
struct Fp4Memory {
  static constexpr int kSlots = 4;
  using Span = Fp4Span<typename Weights::Decoder>;
  static constexpr int kRawSlots = Span::num_slots(kSlots - 1);
  using Raw = RawTile<typename Weights::Decoder, kRawSlots, gemm_threads(kRows), Span>;
  using Rows = Fp4RowTile<kTerms, kRows, kSlots>;

  // How many groups of copies may still be on their way when a step needs its own.
  static constexpr int kRawAhead = Span::kSteps * (kRawSlots - 1);
  static constexpr int kInFlight = (kSlots - 1 < kRawAhead ? kSlots - 1 : kRawAhead) - 1;

  static constexpr int kRawBegin = 0;
  static constexpr int kRowsBegin = kRawBegin + Raw::kBytes;
  static constexpr int kWorkBegin = kRowsBegin + Rows::kBytes;
  static_assert(kWorkBegin + kWorkListRoom <= kMaxGemmSharedBytes);
};

// sums += weights rows^T, for the 64 weight rows and 64 columns of a step.
template <typename Weights, int kTerms, int kRows>
__device__ inline void multiply_fp4_step(const WeightFragments<WarpTile<kRows>::kWeightTiles>& weights,
                                         const Fp4Activations<kTerms>* rows, int num_row_tiles, TileSums<kRows>& sums) {
  using Warp = WarpTile<kRows>;
#pragma unroll
  for (int n = 0; n < Warp::kRowTiles; ++n) {
    if (Warp::row_tile(n) >= num_row_tiles) continue;
    const RowFragments<kTerms> x(rows + 8 * Warp::row_tile(n));
#pragma unroll
    for (int term = 0; term < kTerms; ++term) {
#pragma unroll
      for (int m = 0; m < Warp::kWeightTiles; ++m) {
        Weights::multiply(sums[m][n], weights.values[m], x.values[term], weights.scales[m], x.scales[term]);
      }
    }
  }
}

// Computes the sums of one tile over its steps.
template <typename Weights, int kTerms, int kRows>
__device__ inline void multiply_fp4_tile(const GemmArguments& arguments, const TileWork& work, uint8_t* shared,
                                         TileSums<kRows>& sums) {
  using Memory = Fp4Memory<Weights, kTerms, kRows>;
  constexpr int kSpanSteps = Memory::Span::kSteps;
  typename Memory::Raw raw(shared + Memory::kRawBegin, arguments.dtype);
  typename Memory::Rows rows(shared + Memory::kRowsBegin);
  raw.begin([&](int i) { return weight_row(arguments, work, i); }, arguments.row_bytes, work.end_step);
  rows.begin(arguments, work);
  WeightReader<Weights, Memory::kRawSlots, kRows> reader(arguments, work, shared + Memory::kRawBegin);

  for (int i = 0; i < Memory::kRawSlots - 1; ++i) raw.copy(work.first_step / kSpanSteps + i);
  for (int i = 0; i < Memory::kSlots - 1; ++i) {
    if (work.first_step + i < work.end_step) rows.copy(work.first_step + i);
  }
  for (int i = 0; i <= Memory::kInFlight; ++i) commit_copies();
  for (int step = work.first_step; step < work.end_step; ++step) {
    wait_copies<Memory::kInFlight>();
    sync_block();  // this step is there, and all threads have read the step before
    const int copied = step + Memory::kSlots - 1;
    if (copied < work.end_step) rows.copy(copied);
    if (step % kSpanSteps == 0) raw.copy(step / kSpanSteps + Memory::kRawSlots - 1);
    commit_copies();
    WeightFragments<WarpTile<kRows>::kWeightTiles> weights;
    reader.read(step, weights);
    multiply_fp4_step<Weights, kTerms, kRows>(weights, rows.slot(step), WarpTile<kRows>::num_row_tiles(work), sums);
  }
  sync_block();  // all is read before the copies of the next tile begin
}

// Multiplies the sums with the scales of their rows of x.
template <int kRows>
__device__ inline void scale_rows(const GemmArguments& arguments, const TileWork& work, TileSums<kRows>& sums) {
  using Warp = WarpTile<kRows>;
#pragma unroll
  for (int n = 0; n < Warp::kRowTiles; ++n) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const float scale =
          arguments.x_row_scales[x_row(arguments, work, 8 * Warp::row_tile(n) + lane_index() % 4 * 2 + i)];
#pragma unroll
      for (int m = 0; m < Warp::kWeightTiles; ++m) {
        sums[m][n][i] *= scale;
        sums[m][n][i + 2] *= scale;
      }
    }
  }
}

// out = W x^T in tiles of 64 by kRows, see gemm_arguments.h.   grid: at most a block per tile; shared Fp4Memory.
// ptxas: <= 255 registers; OMMA, LDSM, LDGSTS
template <typename Weights, int kTerms, int kRows>
__global__ void __launch_bounds__(gemm_threads(kRows), kRows == kWideRows ? 1 : 4)
    gemm_fp4_kernel(GemmArguments arguments) {
  wait_for_earlier_kernels();
  using Memory = Fp4Memory<Weights, kTerms, kRows>;
  auto* shared = shared_memory<uint8_t>();
  const WorkList<kRows> list(arguments, reinterpret_cast<int32_t*>(shared + Memory::kWorkBegin));
  for (int index = static_cast<int>(blockIdx.x); index < list.size(); index += static_cast<int>(gridDim.x)) {
    const TileWork work = list[index];
    TileSums<kRows> sums;
    clear<kRows>(sums);
    multiply_fp4_tile<Weights, kTerms, kRows>(arguments, work, shared, sums);
    scale_rows<kRows>(arguments, work, sums);
    static_assert(staged_bytes(kRows) <= Memory::kWorkBegin);
    store_tile<kRows>(arguments, work, sums);
  }
}

template <typename Weights, int kTerms, int kRows>
void launch_gemm_fp4(const GemmLaunch& gemm) {
  const GemmTiles& tiles = gemm.plan.tiles;
  launch(gemm.name, {dim3(tiles.grid_x), gemm_threads(kRows), tiles.shared_bytes, gemm.queue.stream()},
         gemm_fp4_kernel<Weights, kTerms, kRows>, gemm.arguments);
}

// A value of this type stands for a type of weights, a number of terms and a number of rows in a call.
template <typename W, int kTermsOfRow, int kTileRows>
struct Fp4Tile {
  using Weights = W;
  static constexpr int kTerms = kTermsOfRow, kRows = kTileRows;
};

template <typename Weights, int kTerms, typename Use>
void with_rows(int tile_rows, const Use& use) {
  tile_rows == kWideRows ? use(Fp4Tile<Weights, kTerms, kWideRows>()) : use(Fp4Tile<Weights, kTerms, kNarrowRows>());
}

// Calls use(Fp4Tile<...>()) for the tile that the plan has chosen.
template <typename Use>
void with_tile(DType weight, RowFormat rows, int tile_rows, const Use& use) {
  const int terms = rows.num_terms;
  if (weight == DType::kNVFP4 && terms == 2) return with_rows<NvFp4Weights, 2>(tile_rows, use);
  if (weight == DType::kNVFP4 && terms == 3) return with_rows<NvFp4Weights, 3>(tile_rows, use);
  if (weight == DType::kMXFP4 && terms == 3) return with_rows<MxFp4Weights, 3>(tile_rows, use);
  if (weight == DType::kMXFP4 && terms == 4) return with_rows<MxFp4Weights, 4>(tile_rows, use);
  check(false, "no kernel multiplies ", dtype_name(weight), " with sums of ", terms, " 4-bit floats");
}

int64_t fp4_shared_bytes(DType weight, RowFormat rows, const GemmTiles& tiles) {
  int64_t bytes = 0;
  with_tile(weight, rows, tiles.rows, [&]<typename Tile>(Tile) {
    bytes = Fp4Memory<typename Tile::Weights, Tile::kTerms, Tile::kRows>::kWorkBegin;
  });
  return bytes;
}

void launch_fp4(const GemmLaunch& gemm) {
  with_tile(gemm.arguments.dtype, gemm.plan.sums.rows, gemm.plan.tiles.rows,
            [&]<typename Tile>(Tile) { launch_gemm_fp4<typename Tile::Weights, Tile::kTerms, Tile::kRows>(gemm); });
}

}  // namespace

constinit const GemmCode kGemmFp4 = {fp4_shared_bytes, launch_fp4};

}  // namespace gesso::cuda
