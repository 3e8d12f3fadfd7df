// The matrix kernel for weights in NVFP4 and MXFP4 on sm_120 and sm_121: the matrix units take the 4-bit floats and
// their scales as the file has them, so nothing is decoded. Rows of x are sums of such floats (fp4_activations.h), and
// all their terms go into the same accumulators.
//
// Copies and work are those of gemm_bf16.cuh: raw weights and rows of x arrive some steps of 64 columns ahead. Bound by
// the matrix units with many rows of x, by the bytes of the weights with few.
#include "cuda/gemm_fp4.h"

#include "cuda/decode/blocks.h"
#include "cuda/decode/words.h"
#include "cuda/device/async_copy.h"
#include "cuda/device/barrier.h"
#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/device/mma.h"
#include "cuda/device/mma_fp4.h"
#include "cuda/fp4_activations.h"
#include "cuda/gemm_store.cuh"
#include "cuda/gemm_tile.cuh"
#include "cuda/gemm_work.cuh"
#include "cuda/raw_tile.cuh"

namespace gesso::cuda {
namespace {

// 64 columns of a weight row, from their first byte on: words 0..7 of the values, and the scales.
struct NvFp4Weights {
  using Decoder = TileDecoder<DType::kNVFP4>;
  static constexpr int kStepBytes = 36;

  __device__ static uint32_t values(const uint8_t* bytes, int i) {
    return *reinterpret_cast<const uint32_t*>(bytes + 4 + 4 * i);
  }

  // The sign of a scale is ignored; 0x7f, a NaN, counts as 0 (quant/nvfp4.h).
  __device__ static uint32_t scales(const uint8_t* bytes, bool) {
    const uint32_t scales = *reinterpret_cast<const uint32_t*>(bytes) & 0x7f7f7f7fu;
    const uint32_t nans = (scales + 0x01010101u) >> 7 & 0x01010101u;
    return scales & ~(nans * 0x7fu);
  }

  __device__ static void multiply(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], uint32_t scales_a,
                                  uint32_t scales_b) {
    mma_nvfp4(d, a, b, scales_a, scales_b);
  }
};

// Two blocks, at any address.
struct MxFp4Weights {
  using Decoder = TileDecoder<DType::kMXFP4>;
  static constexpr int kStepBytes = 34;

  __device__ static uint32_t values(const uint8_t* bytes, int i) {
    uint32_t word[1];
    load_words<1>(bytes + i / 4 * 17 + 1 + i % 4 * 4, word);
    return word[0];
  }

  // Where the row ends with the first block x is zero, which the second one's scale must not make a NaN.
  __device__ static uint32_t scales(const uint8_t* bytes, bool has_second) {
    return bytes[0] | (has_second ? uint32_t{bytes[17]} << 8 : 0u);
  }

  __device__ static void multiply(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], uint32_t scales_a,
                                  uint32_t scales_b) {
    mma_mxfp4(d, a, b, scales_a, scales_b);
  }
};

// A ring of kSlots steps of the tile's rows of x, one behind the other as they are packed. Step s is in slot s %
// kSlots.
template <int kTerms, int kRows, int kSlots>
class Fp4RowTile {
 public:
  using Chunk = Fp4Activations<kTerms>;
  static constexpr int kBytes = kSlots * kRows * static_cast<int>(sizeof(Chunk));

  __device__ explicit Fp4RowTile(uint8_t* ring) : ring_(reinterpret_cast<Chunk*>(ring)) {}

  __device__ void begin(const GemmArguments& arguments, const TileWork& work) {
    num_pieces_ = WarpTile<kRows>::num_row_tiles(work) * 8 * kPieces;
#pragma unroll
    for (int i = 0; i < kCopies; ++i) {
      const int piece = copied_piece(i);
      if (piece >= num_pieces_) continue;
      sources_[i] =
          arguments.x + x_row(arguments, work, piece / kPieces) * arguments.x_row_bytes + piece % kPieces * 16;
    }
  }

  // Starts the copies of a step, of the rows that are multiplied.
  __device__ void copy(int step) {
    auto* slot = reinterpret_cast<uint8_t*>(ring_ + step % kSlots * kRows);
#pragma unroll
    for (int i = 0; i < kCopies; ++i) {
      if (copied_piece(i) >= num_pieces_) continue;
      copy_async_16(slot + copied_piece(i) * 16, sources_[i] + step * static_cast<int64_t>(sizeof(Chunk)));
    }
  }

  __device__ const Chunk* slot(int step) const { return ring_ + step % kSlots * kRows; }

 private:
  static constexpr int kPieces = sizeof(Chunk) / 16;
  static constexpr int kCopies = (kRows * kPieces + kGemmThreads - 1) / kGemmThreads;

  __device__ static int copied_piece(int i) { return static_cast<int>(threadIdx.x) + i * kGemmThreads; }

  Chunk* ring_;
  const std::byte* sources_[kCopies];
  int num_pieces_ = 0;
};

// How a block's shared memory is used.
template <typename Weights, int kTerms, int kRows>
struct Fp4Memory {
  static constexpr int kSlots = 4;
  using Span = RawSpan<typename Weights::Decoder>;
  static constexpr int kRawSlots = Span::num_slots(kSlots - 1);
  using Raw = RawTile<typename Weights::Decoder, kRawSlots>;
  using Rows = Fp4RowTile<kTerms, kRows, kSlots>;

  // Groups of copies that may be on their way when a step needs its own.
  static constexpr int kRawAhead = Span::kSteps * (kRawSlots - 1);
  static constexpr int kInFlight = (kSlots - 1 < kRawAhead ? kSlots - 1 : kRawAhead) - 1;

  static constexpr int kRawBegin = 0;
  static constexpr int kRowsBegin = kRawBegin + Raw::kBytes;
  static constexpr int kWorkBegin = kRowsBegin + Rows::kBytes;
  static_assert(kWorkBegin + kWorkListRoom <= kMaxGemmSharedBytes);
};

// A warp's share of the weights of a step.
template <int kWeightTiles>
struct WeightFragments {
  uint32_t values[kWeightTiles][4];
  uint32_t scales[kWeightTiles];
};

// Where a lane's weight rows lie in the raw spans: rows g and g + 8 of each of its warp's tiles.
template <typename Weights, int kRawSlots, int kRows>
class WeightReader {
 public:
  using Warp = WarpTile<kRows>;
  using Span = RawSpan<typename Weights::Decoder>;

  __device__ WeightReader(const GemmArguments& arguments, const TileWork& work, const uint8_t* ring)
      : ring_(ring), num_columns_(arguments.num_columns) {
#pragma unroll
    for (int m = 0; m < Warp::kWeightTiles; ++m) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        offsets_[m][half] =
            static_cast<int>(reinterpret_cast<uintptr_t>(weight_row(arguments, work, row(m, half))) % 16);
      }
    }
  }

  __device__ void read(int step, WeightFragments<Warp::kWeightTiles>& fragments) const {
    const int t = lane_index() % 4;
    const bool has_second = step * kStepColumns + kUnitColumns < num_columns_;
#pragma unroll
    for (int m = 0; m < Warp::kWeightTiles; ++m) {
      const uint8_t* first = bytes(m, 0, step);
      const uint8_t* second = bytes(m, 1, step);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        fragments.values[m][i] = Weights::values(i % 2 == 0 ? first : second, t + i / 2 * 4);
      }
      fragments.scales[m] = Weights::scales(t % 2 == 0 ? first : second, has_second);
    }
  }

 private:
  __device__ static int row(int m, int half) { return 16 * Warp::weight_tile(m) + lane_index() / 4 + 8 * half; }

  __device__ const uint8_t* bytes(int m, int half, int step) const {
    const int span = step / Span::kSteps;
    const int offset = (offsets_[m][half] + span * Weights::Decoder::span_bytes()) % 16;
    return ring_ + span % kRawSlots * Span::kBytes + row(m, half) * Span::kPitch + offset +
           step % Span::kSteps * Weights::kStepBytes;
  }

  const uint8_t* ring_;
  int num_columns_;
  int offsets_[Warp::kWeightTiles][2];  // of the rows' addresses modulo 16
};

// Eight rows of x, all terms.
template <int kTerms>
struct RowFragments {
  uint32_t values[kTerms][2];
  uint32_t scales[kTerms];

  __device__ explicit RowFragments(const Fp4Activations<kTerms>* rows) {
    const int lane = lane_index();
    const auto* row = reinterpret_cast<const uint8_t*>(rows + lane % 8);
#pragma unroll
    for (int term = 0; term + 1 < kTerms; term += 2) {
      uint32_t two[4];
      load_matrix_x4(two, row + (2 * term + lane / 8) * 16);
      values[term][0] = two[0];
      values[term][1] = two[1];
      values[term + 1][0] = two[2];
      values[term + 1][1] = two[3];
    }
    if constexpr (kTerms % 2 == 1) load_matrix_x2(values[kTerms - 1], row + (2 * (kTerms - 1) + lane / 8 % 2) * 16);
#pragma unroll
    for (int term = 0; term < kTerms; ++term) scales[term] = rows[lane / 4].scales[term];
  }
};

// sums += weights [64, 64] rows^T.
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

// The sums of one tile over its steps.
template <typename Weights, int kTerms, int kRows>
__device__ inline void multiply_fp4_tile(const GemmArguments& arguments, const TileWork& work, uint8_t* shared,
                                         TileSums<kRows>& sums) {
  using Memory = Fp4Memory<Weights, kTerms, kRows>;
  constexpr int kSpanSteps = Memory::Span::kSteps;
  typename Memory::Raw raw(shared + Memory::kRawBegin, arguments.dtype);
  typename Memory::Rows rows(shared + Memory::kRowsBegin);
  raw.begin([&](int i) { return weight_row(arguments, work, i); }, arguments.row_bytes);
  rows.begin(arguments, work);
  const WeightReader<Weights, Memory::kRawSlots, kRows> reader(arguments, work, shared + Memory::kRawBegin);

  for (int i = 0; i < Memory::kRawSlots - 1; ++i) raw.copy(work.first_step / kSpanSteps + i);
  for (int i = 0; i < Memory::kSlots - 1; ++i) {
    if (work.first_step + i < work.end_step) rows.copy(work.first_step + i);
  }
  for (int i = 0; i <= Memory::kInFlight; ++i) commit_copies();
  for (int step = work.first_step; step < work.end_step; ++step) {
    wait_copies<Memory::kInFlight>();
    sync_block();  // this step is there, and nobody reads the one before it
    const int copied = step + Memory::kSlots - 1;
    if (copied < work.end_step) rows.copy(copied);
    if (step % kSpanSteps == 0) raw.copy(step / kSpanSteps + Memory::kRawSlots - 1);
    commit_copies();
    WeightFragments<WarpTile<kRows>::kWeightTiles> weights;
    reader.read(step, weights);
    multiply_fp4_step<Weights, kTerms, kRows>(weights, rows.slot(step), WarpTile<kRows>::num_row_tiles(work), sums);
  }
  sync_block();  // all is read before the next tile's copies begin
}

// The sums with the scales of their rows of x.
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
__global__ void __launch_bounds__(kGemmThreads, kRows <= 32 ? 2 : 1) gemm_fp4_kernel(GemmArguments arguments) {
  using Memory = Fp4Memory<Weights, kTerms, kRows>;
  auto* shared = shared_memory<uint8_t>();
  const WorkList<kRows> list(arguments, reinterpret_cast<int32_t*>(shared + Memory::kWorkBegin));
  for (int index = static_cast<int>(blockIdx.x); index < list.size(); index += static_cast<int>(gridDim.x)) {
    const TileWork work = list[index];
    TileSums<kRows> sums;
    clear<kRows>(sums);
    multiply_fp4_tile<Weights, kTerms, kRows>(arguments, work, shared, sums);
    scale_rows<kRows>(arguments, work, sums);
    store_tile<kRows>(arguments, work, sums);
  }
}

template <typename Weights, int kTerms, int kRows>
void launch_gemm_fp4(const GemmLaunch& gemm) {
  const int64_t shared_bytes = Fp4Memory<Weights, kTerms, kRows>::kWorkBegin + work_list_bytes(gemm.arguments);
  launch(gemm.name, {dim3(gemm_grid(gemm, kRows, shared_bytes)), kGemmThreads, shared_bytes, gemm.queue.stream()},
         gemm_fp4_kernel<Weights, kTerms, kRows>, gemm.arguments);
}

template <typename Weights, int kTerms>
void launch_gemm_fp4(const GemmLaunch& gemm) {
  gemm.is_wide ? launch_gemm_fp4<Weights, kTerms, kWideRows>(gemm)
               : launch_gemm_fp4<Weights, kTerms, kNarrowRows>(gemm);
}

}  // namespace

bool has_fp4(const DeviceProperties& device, DType weight_type) {
  if (device.arch != 120 && device.arch != 121) return false;
  return weight_type == DType::kNVFP4 || weight_type == DType::kMXFP4;
}

int num_fp4_terms(ActivationType activations, DType weight_type) {
  const int least = weight_type == DType::kNVFP4 ? 2 : 3;
  return activations == ActivationType::kInt8 ? least : least + 1;
}

void gemm_fp4(const GemmLaunch& gemm) {
  const int num_terms = gemm.arguments.x_num_terms;
  if (gemm.arguments.dtype == DType::kNVFP4) {
    return num_terms == 2 ? launch_gemm_fp4<NvFp4Weights, 2>(gemm) : launch_gemm_fp4<NvFp4Weights, 3>(gemm);
  }
  num_terms == 3 ? launch_gemm_fp4<MxFp4Weights, 3>(gemm) : launch_gemm_fp4<MxFp4Weights, 4>(gemm);
}

}  // namespace gesso::cuda
