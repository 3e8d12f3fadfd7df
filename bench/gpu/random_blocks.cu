#include "random_blocks.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "core/check.h"
#include "core/threads.h"
#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/host/queue.h"
#include "ops/memory.h"
#include "quant/formats.h"

namespace gesso::bench {
namespace {

using namespace gesso::cuda;

constexpr int64_t kPoolElements = 1 << 20;
constexpr int64_t kRowElements = 4096;  // a pool is quantised row by row; a multiple of every block
constexpr int64_t kMinUnitBytes = 256;
constexpr int kThreads = 256;

// A bijection of 32-bit words that mixes them well. The constants are Murmur3's.
__device__ uint32_t mixed(uint32_t word) {
  word = (word ^ word >> 16) * 0x85ebca6bu;
  word = (word ^ word >> 13) * 0xc2b2ae35u;
  return word ^ word >> 16;
}

// A warp copies one unit to `target`. The last unit may be cut off.   grid: enough warps of blocks of kThreads.
// ptxas: <= 64 registers
__global__ void __launch_bounds__(kThreads)
    random_fill_kernel(const uint8_t* pool, int64_t unit_bytes, uint32_t num_units, uint32_t seed, int64_t num_bytes,
                       uint8_t* target) {
  wait_for_earlier_kernels();
  const int64_t unit = static_cast<int64_t>(blockIdx.x) * (kThreads / kWarpSize) + warp_index();
  const uint8_t* source = pool + mixed(static_cast<uint32_t>(unit) ^ mixed(seed)) % num_units * unit_bytes;
  const int64_t first = unit * unit_bytes;
  const int64_t count = unit_bytes < num_bytes - first ? unit_bytes : num_bytes - first;
  for (int64_t i = lane_index(); i < count; i += kWarpSize) target[first + i] = source[i];
}

std::vector<std::byte> quantised_gaussians(const Context& context, DType dtype, float spread) {
  const DTypeInfo& info = dtype_info(dtype);
  const quant::EncodeRow encode = quant::find_encoder(dtype);
  check(encode, "random blocks: cannot write type ", info.name, "; supported: ", quant::encodable_types());
  const int64_t row_bytes = kRowElements / info.block_elements * info.block_bytes;
  std::vector<std::byte> bytes(kPoolElements / kRowElements * row_bytes);
  parallel_for(context, kPoolElements / kRowElements, 100 * kRowElements, [&](int64_t row) {
    std::mt19937 generator(static_cast<uint32_t>(row));
    std::normal_distribution<float> gaussian(0.0f, spread);
    std::vector<float> values(kRowElements);
    std::generate(values.begin(), values.end(), [&] { return gaussian(generator); });
    encode(values.data(), kRowElements, nullptr, bytes.data() + row * row_bytes);
  });
  return bytes;
}

// An NVFP4 matrix has a weight scale beside it. With it `gesso synth` uses the whole range of the type, and so does
// this.
float stored_spread(DType dtype, float spread) {
  constexpr float kLargestDraw = 6.0f, kLargest = 6.0f * 448.0f;
  return dtype == DType::kNVFP4 ? kLargest / kLargestDraw : spread;
}

}  // namespace

const RandomBlocks::Pool& RandomBlocks::pool(DType dtype, float spread) {
  Pool& pool = pools_[{dtype, spread}];
  if (pool.num_units > 0) return pool;
  const std::vector<std::byte> bytes = quantised_gaussians(context_, dtype, spread);
  const int64_t num_bytes = std::ssize(bytes), block_bytes = dtype_info(dtype).block_bytes;
  pool.unit_bytes = (kMinUnitBytes + block_bytes - 1) / block_bytes * block_bytes;
  pool.data = ops::allocate<std::byte>(context_, num_bytes);
  ops::copy_to_device(context_, bytes.data(), num_bytes, pool.data.data());
  ops::synchronize(context_);
  pool.num_units = num_bytes / pool.unit_bytes;
  return pool;
}

void RandomBlocks::fill(DType dtype, float spread, std::byte* data, int64_t num_bytes) {
  const Pool& from = pool(dtype, spread);
  const int64_t num_units = (num_bytes + from.unit_bytes - 1) / from.unit_bytes;
  constexpr int64_t kUnitsPerBlock = kThreads / kWarpSize;
  const auto num_blocks = static_cast<unsigned>((num_units + kUnitsPerBlock - 1) / kUnitsPerBlock);
  launch("random blocks", {dim3(num_blocks), kThreads, 0, context_.queue->stream()}, random_fill_kernel,
         reinterpret_cast<const uint8_t*>(from.data.data()), from.unit_bytes, static_cast<uint32_t>(from.num_units),
         next_seed_++, num_bytes, reinterpret_cast<uint8_t*>(data));
}

void RandomBlocks::fill_matrices(model::Weights& weights) {
  const auto fill_matrix = [&](const Tensor& tensor, float spread) {
    if (!tensor) return;
    // Views are read-only because the weights of a model do not change. These weights do not belong to a model yet.
    fill(tensor.dtype, stored_spread(tensor.dtype, spread), const_cast<std::byte*>(tensor.data), tensor.num_bytes());
  };
  const auto fill_even = [&](const Tensor& tensor) {
    if (tensor) fill_matrix(tensor, 1.0f / std::sqrt(static_cast<float>(tensor.num_columns())));
  };
  for (const model::LayerWeights& layer : weights.layers) {
    for (const Weight* weight : {&layer.attn_q, &layer.attn_k, &layer.attn_v, &layer.attn_output, &layer.ffn_gate,
                                 &layer.ffn_up, &layer.ffn_down, &layer.ffn_gate_up_exps.gate_up,
                                 &layer.ffn_gate_up_exps.gate, &layer.ffn_gate_up_exps.up, &layer.ffn_down_exps}) {
      fill_even(weight->values);
    }
    fill_matrix(layer.ffn_gate_inp.values, 1.0f);
  }
  fill_even(weights.token_embd);
  if (weights.output.values.data != weights.token_embd.data) fill_even(weights.output.values);
  for (const Weight* weight : {&weights.self_cond_gate, &weights.self_cond_up, &weights.self_cond_down}) {
    fill_even(weight->values);
  }
}

}  // namespace gesso::bench
