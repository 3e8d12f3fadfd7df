// A block takes one row, and each of its warps a head at a time: first the heads of the queries, then of the keys, then
// of the values. The angles of a row are the same for all its heads, so the block computes them once. The kernel is
// bound by the bytes of q, k and v. A head is read from memory once; its second read hits the L1 cache.
#include "ops/qk_norm_rope.h"

#include <cmath>

#include "cuda/block/reduce.h"
#include "cuda/device/bf16.h"
#include "cuda/device/kernel.h"
#include "cuda/device/launch.h"
#include "cuda/host/queue.h"

namespace gesso::cuda {
namespace {

constexpr int kThreads = 256;

struct KernelArguments {
  float* q;  // [R, H, K]
  int64_t q_stride;
  int num_heads;   // H; 0 if there are no queries
  const float* k;  // [R, G, K]
  int64_t k_stride;
  const float* v;  // [R, G, K]
  int64_t v_stride;
  const float* q_norm;  // [K]
  const float* k_norm;  // [K]
  float eps;
  const float* inv_freq;  // [K / 2]
  int num_key_value_heads;
  int half;           // K / 2
  int num_rotated;    // number of pairs that are rotated
  bool has_one_copy;  // whether keys and values share one copy, as KeyValueLayout says
  int64_t key_row_bytes;
  int64_t value_row_bytes;
  const ops::KeyValueRows* sequences;
  int num_sequences;
};

struct Pair {
  float low, high;  // dims i and i + K / 2 of a head
};

// One head of one row, normalised, read as pairs. Where `weight` is null, all weights are 1.
struct NormedHead {
  const float* x;
  const float* weight;
  float factor;  // (mean(x^2) + eps)^-1/2
  int half;

  __device__ Pair pair(int i) const {
    const Pair normed{x[i] * factor, x[i + half] * factor};
    return weight ? Pair{normed.low * weight[i], normed.high * weight[i + half]} : normed;
  }
};

// All lanes of the warp call it. Each lane later writes the pairs that it reads here.
__device__ NormedHead normalise(const float* x, const float* weight, float eps, int half) {
  float sum = 0;
  for (int i = lane_index(); i < half; i += kWarpSize) sum += x[i] * x[i] + x[i + half] * x[i + half];
  return {x, weight, 1.0f / sqrtf(warp_sum(sum) / static_cast<float>(2 * half) + eps), half};
}

// The cosines and sines of a row's angles, one for each pair that is rotated, in shared memory.
struct Rotation {
  float* cosines;
  float* sines;
  int num_rotated;

  // The angles are float32, as in the reference. They reach 262144, so cosf and sinf must reduce them exactly.
  __device__ void fill(int64_t position, const float* inv_freq) const {
    for (int i = static_cast<int>(threadIdx.x); i < num_rotated; i += kThreads) {
      const float angle = static_cast<float>(position) * inv_freq[i];
      cosines[i] = cosf(angle);
      sines[i] = sinf(angle);
    }
  }
  __device__ Pair turn(Pair pair, int i) const {
    if (i >= num_rotated) return pair;
    return {pair.low * cosines[i] - pair.high * sines[i], pair.high * cosines[i] + pair.low * sines[i]};
  }
};

// `k_norm_of_still` is null, or the key weights by which the dims that are not rotated are multiplied: where keys and
// values share one copy, those dims are stored without the weights.
__device__ void write_query(const NormedHead& head, const Rotation& rotation, const float* k_norm_of_still,
                            float* out) {
  for (int i = lane_index(); i < head.half; i += kWarpSize) {
    Pair pair = rotation.turn(head.pair(i), i);
    if (k_norm_of_still && i >= rotation.num_rotated) {
      pair.low *= k_norm_of_still[i];
      pair.high *= k_norm_of_still[i + head.half];
    }
    out[i] = pair.low;
    out[i + head.half] = pair.high;
  }
}

// Writes the first num_pairs pairs: first the low dims of all, behind them the high dims, then zeros up to `size`
// values.
__device__ void write_bf16(const NormedHead& head, const Rotation& rotation, int num_pairs, int size, uint16_t* out) {
  for (int i = lane_index(); i < num_pairs; i += kWarpSize) {
    const Pair pair = rotation.turn(head.pair(i), i);
    out[i] = to_bf16(pair.low);
    out[num_pairs + i] = to_bf16(pair.high);
  }
  for (int i = 2 * num_pairs + lane_index(); i < size; i += kWarpSize) out[i] = 0;
}

// The sequence that a row belongs to, or null.
__device__ const ops::KeyValueRows* find_sequence(const KernelArguments& a, int64_t row) {
  for (int s = 0; s < a.num_sequences; ++s) {
    const int64_t index = row - a.sequences[s].first_row;
    if (index >= 0 && index < a.sequences[s].num_rows) return a.sequences + s;
  }
  return nullptr;
}

// The number of elements of one head in a stored row of keys or values.
__device__ int head_size(int64_t row_bytes, int num_heads) {
  return static_cast<int>(row_bytes / static_cast<int64_t>(sizeof(uint16_t))) / num_heads;
}

// grid R, shared 2 * num_rotated floats.
// ptxas: <= 64 registers, <= 32 bytes of stack: sine and cosine of large angles
__global__ void __launch_bounds__(kThreads) qk_norm_rope_kernel(const KernelArguments a) {
  wait_for_earlier_kernels();
  const int64_t row = blockIdx.x;
  const ops::KeyValueRows* sequence = find_sequence(a, row);
  if (!sequence) return;
  const int64_t index = row - sequence->first_row;
  const Rotation rotation{shared_memory<float>(), shared_memory<float>() + a.num_rotated, a.num_rotated};
  rotation.fill(sequence->first_position + index, a.inv_freq);
  sync_block();

  const int head_dim = 2 * a.half, groups = a.num_key_value_heads;
  const int key_size = head_size(a.key_row_bytes, groups), value_size = head_size(a.value_row_bytes, groups);
  uint16_t* keys = reinterpret_cast<uint16_t*>(sequence->keys + index * a.key_row_bytes);
  uint16_t* values = reinterpret_cast<uint16_t*>(sequence->values + index * a.value_row_bytes);
  for (int head = warp_index(); head < a.num_heads + 2 * groups; head += kThreads / kWarpSize) {
    if (head < a.num_heads) {
      float* q = a.q + row * a.q_stride + head * head_dim;
      write_query(normalise(q, a.q_norm, a.eps, a.half), rotation, a.has_one_copy ? a.k_norm : nullptr, q);
    } else if (head < a.num_heads + groups) {
      const int g = head - a.num_heads;
      const float* k = a.k + row * a.k_stride + g * head_dim;
      write_bf16(normalise(k, a.k_norm, a.eps, a.half), rotation, a.has_one_copy ? a.num_rotated : a.half, key_size,
                 keys + g * key_size);
    } else {
      const int g = head - a.num_heads - groups;
      const float* v = a.v + row * a.v_stride + g * head_dim;
      const Rotation still{nullptr, nullptr, 0};
      write_bf16(normalise(v, nullptr, a.eps, a.half), still, a.half, value_size, values + g * value_size);
    }
  }
}

}  // namespace

void qk_norm_rope(const Context& context, const ops::QkNormRopeArguments& a) {
  const int64_t head_dim = a.layout.head_dim;
  const KernelArguments arguments{a.q.data,
                                  a.q.stride,
                                  a.q.rows > 0 ? static_cast<int>(a.q.columns / head_dim) : 0,
                                  a.k.data,
                                  a.k.stride,
                                  a.v.data,
                                  a.v.stride,
                                  a.q_norm.f32(),
                                  a.k_norm.f32(),
                                  a.eps,
                                  a.inv_freq.device,
                                  static_cast<int>(a.layout.num_key_value_heads),
                                  static_cast<int>(head_dim / 2),
                                  static_cast<int>(a.layout.num_rotated),
                                  a.layout.has_one_copy,
                                  a.layout.key_row_bytes,
                                  a.layout.value_row_bytes,
                                  a.sequences.device,
                                  static_cast<int>(a.sequences.size())};
  const int64_t shared_bytes = 2 * a.layout.num_rotated * static_cast<int64_t>(sizeof(float));
  launch("qk_norm_rope", {dim3(static_cast<unsigned>(a.k.rows)), kThreads, shared_bytes, context.queue->stream()},
         qk_norm_rope_kernel, arguments);
}

}  // namespace gesso::cuda
