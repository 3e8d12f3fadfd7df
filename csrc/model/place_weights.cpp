#include "model/place_weights.h"

#include <algorithm>
#include <map>
#include <vector>

#include "core/check.h"
#include "core/threads/threads.h"
#include "ops/device.h"
#include "ops/memory.h"

namespace gesso::model {
namespace {

// In a device's memory tensors begin at multiples of this. Kernels copy whole 16-byte pieces, so some bytes behind the
// last tensor must be readable, too. The bytes between the tensors are zero, so that no kernel reads what nobody has
// written.
constexpr int64_t kAlignment = 256;
constexpr int64_t kChunkBytes = int64_t{32} << 20;  // large enough for full speed over PCIe, small beside the model

int64_t padded(int64_t bytes) { return (bytes / kAlignment + 1) * kAlignment; }

template <typename Visit>
void visit_layer(LayerWeights& w, const Visit& visit) {
  for (Tensor* tensor :
       {&w.attn_norm, &w.post_attention_norm, &w.ffn_norm, &w.post_ffw_norm_1, &w.pre_ffw_norm_2, &w.post_ffw_norm_2,
        &w.post_ffw_norm, &w.attn_q_norm, &w.attn_k_norm, &w.ffn_gate_inp_scale, &w.ffn_down_exps_scale}) {
    visit(*tensor);
  }
  for (Weight* weight :
       {&w.attn_q, &w.attn_k, &w.attn_v, &w.attn_output, &w.ffn_gate, &w.ffn_up, &w.ffn_down, &w.ffn_gate_inp,
        &w.ffn_gate_up_exps.gate_up, &w.ffn_gate_up_exps.gate, &w.ffn_gate_up_exps.up, &w.ffn_down_exps}) {
    visit(weight->values);
    visit(weight->scale);
  }
}

// Calls visit_any for every tensor that the model has.
template <typename Visit>
void visit_tensors(Weights& weights, const Visit& visit_any) {
  const auto visit = [&](Tensor& tensor) {
    if (tensor) visit_any(tensor);
  };
  for (Tensor* tensor : {&weights.token_embd, &weights.output_norm, &weights.self_cond_pre_norm}) visit(*tensor);
  for (Weight* weight : {&weights.output, &weights.self_cond_gate, &weights.self_cond_up, &weights.self_cond_down}) {
    visit(weight->values);
    visit(weight->scale);
  }
  for (LayerWeights& layer : weights.layers) visit_layer(layer, visit);
}

// Kernels rely on this alignment of a tensor's address. GGUF files have it.
constexpr uintptr_t kTensorAlignment = 32;

// Which ranges of host memory go to the device, by address (the order of the file), and where each goes in the device's
// copy. A range that serves twice (a tied head) is here once. A range that the device can read in place is not here.
struct Placement {
  struct Range {
    int64_t num_bytes = 0;
    int64_t offset = 0;
  };
  std::map<const std::byte*, Range> ranges;
  int64_t num_bytes = 0;
};

Placement plan(Weights& weights, bool reads_host_memory) {
  Placement placement;
  const auto add = [&](const void* data, int64_t num_bytes) {
    const bool is_aligned = reinterpret_cast<uintptr_t>(data) % kTensorAlignment == 0;
    if (num_bytes == 0 || (reads_host_memory && is_aligned)) return;
    placement.ranges[static_cast<const std::byte*>(data)].num_bytes = num_bytes;
  };
  visit_tensors(weights, [&](const Tensor& tensor) { add(tensor.data, tensor.num_bytes()); });
  for (const auto* frequencies : {&weights.inv_freq_sliding, &weights.inv_freq_full}) {
    add(frequencies->host.data(), static_cast<int64_t>(frequencies->host.size() * sizeof(float)));
  }
  for (auto& [data, range] : placement.ranges) {
    range.offset = placement.num_bytes;
    placement.num_bytes += padded(range.num_bytes);
  }
  return placement;
}

// Copies host memory to a device through two pinned blocks. While one is on its way, the other is filled.
class Uploader {
 public:
  Uploader(const Context& context, const ops::Device& device) : context_(context) {
    for (Lane& lane : lanes_) {
      lane.queue = ops::make_queue(device.index);
      lane.context.queue = lane.queue.get();
      lane.block = ops::allocate_host<std::byte>(lane.context, kChunkBytes);
    }
  }

  void copy(const std::byte* source, int64_t num_bytes, std::byte* target, const std::function<void(int64_t)>& done) {
    for (int64_t first = 0; first < num_bytes; first += kChunkBytes) {
      context_.poll();
      Lane& lane = lanes_[next_];
      next_ = 1 - next_;
      const int64_t count = std::min(kChunkBytes, num_bytes - first);
      ops::synchronize(lane.context);  // afterwards the lane's block is free again
      fill(source + first, count, lane.block.data());
      ops::copy_to_device(lane.context, lane.block.data(), count, target + first);
      done(count);
    }
  }
  void finish() {
    for (Lane& lane : lanes_) ops::synchronize(lane.context);
  }

 private:
  struct Lane {
    Buffer<std::byte> block;  // declared before the queue, whose end waits for the copies from the block
    ops::QueuePointer queue;
    Context context;
  };

  // All threads copy, because one alone reads a mapped file more slowly than a good disk delivers it.
  void fill(const std::byte* source, int64_t num_bytes, std::byte* target) const {
    constexpr int64_t kPiece = int64_t{1} << 20;
    parallel_for(context_, (num_bytes + kPiece - 1) / kPiece, kPiece, [&](int64_t i) {
      std::copy_n(source + i * kPiece, std::min(kPiece, num_bytes - i * kPiece), target + i * kPiece);
    });
  }

  const Context& context_;
  Lane lanes_[2];
  int next_ = 0;
};

void check_fit(int64_t needed, const ops::Device& device) {
  const int64_t free = ops::free_bytes(device.index);
  if (needed <= free) return;
  throw OutOfMemory(
      concat("out of memory on ", device.name, ": the weights need ", needed, " bytes, ", free, " bytes are free"),
      needed, free);
}

void upload(const Context& context, const ops::Device& device, Weights& weights, const PlaceProgress& progress) {
  const Placement placement = plan(weights, device.reads_host_memory);
  if (placement.num_bytes == 0) return;
  check_fit(placement.num_bytes, device);
  weights.device_copy = ops::allocate<std::byte>(context, placement.num_bytes);
  std::byte* base = weights.device_copy.data();
  for (const auto& [data, range] : placement.ranges) {
    const int64_t end = range.offset + range.num_bytes;
    ops::fill_zero(context, base + end, range.offset + padded(range.num_bytes) - end);
  }
  Uploader uploader(context, device);
  int64_t done = 0, total = 0;
  for (const auto& [data, range] : placement.ranges) total += range.num_bytes;
  for (const auto& [data, range] : placement.ranges) {
    uploader.copy(data, range.num_bytes, base + range.offset, [&](int64_t count) {
      done += count;
      if (progress) progress(done, total);
    });
  }
  uploader.finish();
  ops::synchronize(context);
  const auto placed = [&](const void* data) {
    const auto found = placement.ranges.find(static_cast<const std::byte*>(data));
    return found == placement.ranges.end() ? static_cast<const std::byte*>(data) : base + found->second.offset;
  };
  visit_tensors(weights, [&](Tensor& tensor) { tensor.data = placed(tensor.data); });
  for (auto* frequencies : {&weights.inv_freq_sliding, &weights.inv_freq_full}) {
    frequencies->device = reinterpret_cast<const float*>(placed(frequencies->host.data()));
  }
}

// How many leading pairs turn. The others turn so little, even at the last position of the context, that no cosine in
// float32 could show it.
int64_t num_rotated(const Staged<float>& inv_freq, int64_t max_position) {
  constexpr float kSmallestAngle = 1e-6f;
  int64_t count = inv_freq.size();
  while (count > 0 && inv_freq.host[count - 1] * static_cast<float>(max_position) < kSmallestAngle) --count;
  return count;
}

}  // namespace

void place_weights(const Context& context, const ModelConfig& config, const ops::Device& device, Weights& weights,
                   const PlaceProgress& progress) {
  for (size_t i = 0; i < weights.layers.size(); ++i) {
    const LayerConfig& layer = config.layers[i];
    const int64_t rotated = num_rotated(weights.inv_freq(layer.is_sliding), config.max_position_embeddings);
    weights.key_value_layouts.push_back(
        ops::key_value_layout(context, {.num_key_value_heads = layer.num_key_value_heads,
                                        .head_dim = layer.head_dim,
                                        .num_rotated = rotated,
                                        .is_shared = !weights.layers[i].attn_v}));
  }
  if (context.queue) upload(context, device, weights, progress);
}

}  // namespace gesso::model
