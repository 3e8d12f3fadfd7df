#include "api/model_hash.h"

#include <algorithm>
#include <type_traits>

#include "api/checksum.h"

namespace gesso {
namespace {

template <typename T>
void add_number(Checksum& sum, T number) {
  static_assert(std::is_arithmetic_v<T>);
  sum.add(std::as_bytes(std::span(&number, 1)));
}

// The defaults of a generation and the special ids do not count: keys and values do not depend on them.
void add_config(Checksum& sum, const ModelConfig& config) {
  for (const int64_t size :
       {config.vocab_size, config.hidden_size, config.intermediate_size, config.moe_intermediate_size,
        config.num_hidden_layers, config.num_attention_heads, config.num_experts, config.top_k_experts,
        config.sliding_window, config.max_position_embeddings, config.canvas_length}) {
    add_number(sum, size);
  }
  for (const float number :
       {config.rms_norm_eps, config.final_logit_softcapping, config.rope_theta_sliding, config.rope_theta_full}) {
    add_number(sum, number);
  }
  for (const LayerConfig& layer : config.layers) {
    add_number(sum, static_cast<int64_t>(layer.is_sliding));
    add_number(sum, layer.num_key_value_heads);
    add_number(sum, layer.head_dim);
  }
}

constexpr int64_t kAllBytes = int64_t{256} << 20;  // of a model up to this size each byte counts
constexpr int64_t kStride = int64_t{4} << 20, kPieceBytes = 4096;

// The first bytes of each stretch of kStride, and the last bytes of the tensor.
void add_samples(Checksum& sum, std::span<const std::byte> bytes) {
  const int64_t last = std::ssize(bytes) - kPieceBytes;
  if (last <= kPieceBytes) return sum.add(bytes);
  for (int64_t begin = 0; begin < last; begin += kStride) sum.add(bytes.subspan(begin, kPieceBytes));
  sum.add(bytes.subspan(last));
}

uint64_t tensor_hash(const io::NamedTensor& named, bool all_bytes) {
  Checksum sum;
  sum.add(std::as_bytes(std::span(named.name)));
  add_number(sum, static_cast<int64_t>(named.tensor.dtype));
  for (int i = 0; i < named.tensor.shape.rank; ++i) add_number(sum, named.tensor.shape[i]);
  const std::span bytes(named.tensor.data, static_cast<size_t>(named.tensor.num_bytes()));
  if (all_bytes) {
    sum.add(bytes);
  } else {
    add_samples(sum, bytes);
  }
  return sum.value();
}

}  // namespace

uint64_t model_hash(const ModelConfig& config, const std::vector<io::NamedTensor>& tensors) {
  int64_t num_bytes = 0;
  for (const io::NamedTensor& named : tensors) num_bytes += named.tensor.num_bytes();
  std::vector<uint64_t> hashes;
  for (const io::NamedTensor& named : tensors) hashes.push_back(tensor_hash(named, num_bytes <= kAllBytes));
  std::sort(hashes.begin(), hashes.end());
  Checksum sum;
  add_config(sum, config);
  sum.add(std::as_bytes(std::span(hashes)));
  return sum.value();
}

}  // namespace gesso
