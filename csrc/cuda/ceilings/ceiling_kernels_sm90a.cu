// The rate of products of Hopper's warpgroups. Two warpgroups, each with a tile of 64 rows, share one tile of 256
// columns.
#include "cuda/ceilings/ceiling_kernels.h"

#include "cuda/block/swizzle.h"
#include "cuda/device/barrier.h"
#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/device/wgmma.h"

namespace gesso::cuda {
namespace {

constexpr int kGroups = 2, kGroupThreads = 128;
constexpr int kRows = 64, kColumns = 256, kDepth = 64;  // one warpgroup's product, four instructions
constexpr int kProductsPerRound = 4;                    // enough to make the time between rounds negligible
constexpr int kSharedBytes = kSwizzledTileAlignment + (kGroups * kRows + kColumns) * kSwizzledRowBytes;

// grid: one block for each multiprocessor; shared kSharedBytes.
// ptxas: <= 255 registers; HGMMA
__global__ void __launch_bounds__(kGroups* kGroupThreads, 1) ceiling_wgmma_kernel(int rounds, float* sums) {
  wait_for_earlier_kernels();
  auto* base = shared_memory<unsigned char>();
  base += (kSwizzledTileAlignment - shared_address(base) % kSwizzledTileAlignment) % kSwizzledTileAlignment;
  auto* words = reinterpret_cast<uint32_t*>(base);
  for (int i = static_cast<int>(threadIdx.x); i < (kGroups * kRows + kColumns) * kSwizzledRowBytes / 4;
       i += kGroups * kGroupThreads) {
    words[i] = 0x3f803f00u ^ static_cast<uint32_t>(i & 0x7f);
  }
  fence_async_proxy();  // every thread that writes calls this before the barrier
  sync_block();

  const int group = static_cast<int>(threadIdx.x) / kGroupThreads;
  const unsigned char* a = base + group * kRows * kSwizzledRowBytes;
  const unsigned char* b = base + kGroups * kRows * kSwizzledRowBytes;
  float d[kColumns / 2];
  for (int i = 0; i < rounds; ++i) {
    fence_async_proxy();
    wgmma_fence();
#pragma unroll
    for (int k = 0; k < kProductsPerRound * kDepth / 16; ++k) {
      wgmma_bf16(d, wgmma_operand(a, k % 4), wgmma_operand(b, k % 4), i + k > 0);
    }
    wgmma_commit();
    wgmma_wait<0>();
  }
  float sum = 0;
#pragma unroll
  for (float value : d) sum += value;
  sums[blockIdx.x * kGroups * kGroupThreads + threadIdx.x] = sum;
}

}  // namespace

double wgmma_products(Queue& queue, int rounds) {
  const int num_blocks = queue.properties().num_multiprocessors;
  constexpr int kThreads = kGroups * kGroupThreads;
  auto* sums = queue.scratch<float>(Scratch::kPartials, static_cast<int64_t>(num_blocks) * kThreads);
  launch("wgmma products", {dim3(static_cast<unsigned>(num_blocks)), kThreads, kSharedBytes, queue.stream()},
         ceiling_wgmma_kernel, rounds, sums);
  return 2.0 * kRows * kColumns * kDepth * kProductsPerRound * rounds * kGroups * num_blocks;
}

}  // namespace gesso::cuda
