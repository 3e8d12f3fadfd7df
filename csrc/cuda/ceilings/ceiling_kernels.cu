#include "cuda/ceilings/ceiling_kernels.h"

#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/device/mma.h"

namespace gesso::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kInFlight = 4;  // loads of 16 bytes that a thread starts before it uses the first

struct alignas(16) Piece {
  uint32_t words[4];
};

__device__ int64_t first_piece() { return static_cast<int64_t>(blockIdx.x) * kThreads * kInFlight + threadIdx.x; }

// grid: one block for every kThreads * kInFlight pieces.
// ptxas: <= 64 registers; LDG.E.128
__global__ void __launch_bounds__(kThreads)
    ceiling_copy_kernel(const Piece* source, int64_t num_pieces, Piece* target) {
  wait_for_earlier_kernels();
  const int64_t first = first_piece();
  if (first + (kInFlight - 1) * kThreads < num_pieces) {
    Piece pieces[kInFlight];
#pragma unroll
    for (int i = 0; i < kInFlight; ++i) pieces[i] = source[first + i * kThreads];
#pragma unroll
    for (int i = 0; i < kInFlight; ++i) target[first + i * kThreads] = pieces[i];
    return;
  }
  for (int64_t i = first; i < num_pieces; i += kThreads) target[i] = source[i];
}

// The grid is that of ceiling_copy_kernel.
// ptxas: <= 64 registers; LDG.E.128
__global__ void __launch_bounds__(kThreads)
    ceiling_read_kernel(const Piece* source, int64_t num_pieces, Piece* target) {
  wait_for_earlier_kernels();
  const int64_t first = first_piece();
  uint32_t sum = 0;
  const auto add = [&](const Piece& piece) {
    for (uint32_t word : piece.words) sum += word;
  };
  if (first + (kInFlight - 1) * kThreads < num_pieces) {
    Piece pieces[kInFlight];
#pragma unroll
    for (int i = 0; i < kInFlight; ++i) pieces[i] = source[first + i * kThreads];
#pragma unroll
    for (const Piece& piece : pieces) add(piece);
  } else {
    for (int64_t i = first; i < num_pieces; i += kThreads) add(source[i]);
  }
  if (sum == 0x9e3779b9u) target->words[0] = sum;  // so that the compiler cannot drop a load
}

Launch launch_pieces(Queue& queue, int64_t num_pieces) {
  const int64_t per_block = kThreads * kInFlight;
  return {dim3(static_cast<unsigned>((num_pieces + per_block - 1) / per_block)), kThreads, 0, queue.stream()};
}

// Products of a warp that do not wait for each other. Eight are enough to hide the latency of the matrix units.
constexpr int kChains = 8;
constexpr int kBlocksPerMultiprocessor = 2;
constexpr uint32_t kBF16Ones = 0x3f803f80, kBF16Halves = 0x3f003f00, kInt8Ones = 0x01010101;

// grid: kBlocksPerMultiprocessor blocks for each multiprocessor.
// ptxas: <= 128 registers; HMMA
__global__ void __launch_bounds__(kThreads) ceiling_bf16_kernel(int rounds, float* sums) {
  wait_for_earlier_kernels();
  const uint32_t a[4] = {kBF16Ones, kBF16Halves ^ threadIdx.x, kBF16Ones, kBF16Halves};
  const uint32_t b[2] = {kBF16Halves, kBF16Ones ^ threadIdx.x};
  float d[kChains][4] = {};
  for (int i = 0; i < rounds; ++i) {
#pragma unroll
    for (int chain = 0; chain < kChains; ++chain) mma_bf16(d[chain], a, b);
  }
  float sum = 0;
  for (const auto& chain : d) sum += chain[0] + chain[1] + chain[2] + chain[3];
  sums[blockIdx.x * kThreads + threadIdx.x] = sum;
}

// The grid is that of ceiling_bf16_kernel.
// ptxas: <= 128 registers; IMMA
__global__ void __launch_bounds__(kThreads) ceiling_int8_kernel(int rounds, int32_t* sums) {
  wait_for_earlier_kernels();
  const uint32_t a[4] = {kInt8Ones, kInt8Ones ^ threadIdx.x, kInt8Ones, kInt8Ones};
  const uint32_t b[2] = {kInt8Ones, kInt8Ones ^ threadIdx.x};
  int32_t d[kChains][4] = {};
  for (int i = 0; i < rounds; ++i) {
#pragma unroll
    for (int chain = 0; chain < kChains; ++chain) mma_s8(d[chain], a, b, d[chain]);
  }
  int32_t sum = 0;
  for (const auto& chain : d) sum += chain[0] + chain[1] + chain[2] + chain[3];
  sums[blockIdx.x * kThreads + threadIdx.x] = sum;
}

// The operations of all warps. One product has 16 * 8 sums of `depth` terms.
template <typename Sum>
double run_products(Queue& queue, void (*kernel)(int, Sum*), int depth, int rounds) {
  const int num_blocks = kBlocksPerMultiprocessor * queue.properties().num_multiprocessors;
  Sum* sums = queue.scratch<Sum>(Scratch::kPartials, static_cast<int64_t>(num_blocks) * kThreads);
  launch("products", {dim3(static_cast<unsigned>(num_blocks)), kThreads, 0, queue.stream()}, kernel, rounds, sums);
  return 2.0 * 16 * 8 * depth * kChains * rounds * num_blocks * (kThreads / kWarpSize);
}

double mma_bf16_products(Queue& queue, int rounds) { return run_products(queue, ceiling_bf16_kernel, 16, rounds); }
double mma_int8_products(Queue& queue, int rounds) { return run_products(queue, ceiling_int8_kernel, 32, rounds); }

}  // namespace

void copy_bytes(Queue& queue, const std::byte* source, int64_t bytes, std::byte* target) {
  const int64_t num_pieces = bytes / static_cast<int64_t>(sizeof(Piece));
  launch("copy", launch_pieces(queue, num_pieces), ceiling_copy_kernel, reinterpret_cast<const Piece*>(source),
         num_pieces, reinterpret_cast<Piece*>(target));
}

void read_bytes(Queue& queue, const std::byte* source, int64_t bytes, std::byte* target) {
  const int64_t num_pieces = bytes / static_cast<int64_t>(sizeof(Piece));
  launch("read", launch_pieces(queue, num_pieces), ceiling_read_kernel, reinterpret_cast<const Piece*>(source),
         num_pieces, reinterpret_cast<Piece*>(target));
}

std::vector<ProductKernel> product_kernels(int arch) {
  std::vector<ProductKernel> kernels{{"bf16", "mma", mma_bf16_products}, {"int8", "mma", mma_int8_products}};
  if (arch == 90) kernels.push_back({"bf16", "wgmma", wgmma_products});
  return kernels;
}

}  // namespace gesso::cuda
