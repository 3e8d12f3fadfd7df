#include "gesso/random_checkpoint.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <memory>
#include <new>
#include <random>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "api/random/random_blocks.h"
#include "core/check.h"
#include "core/dtype.h"
#include "core/threads/thread_count.h"
#include "core/threads/threads.h"
#include "gesso/presets.h"

namespace gesso {
namespace {

struct Sizes {
  std::string_view name;
  int64_t vocab, hidden, ffn, expert_ffn, layers, heads, kv_heads, full_kv_heads, head_dim, full_head_dim, experts,
      active_experts, window, context, canvas, image_id;
};
constexpr Sizes kSizes[] = {
    {"26b-a4b", 262144, 2816, 2112, 704, 30, 16, 8, 2, 256, 512, 128, 8, 1024, 262144, 256, 258880},
    {"small", 2048, 256, 192, 64, 6, 2, 2, 1, 64, 64, 16, 2, 64, 4096, 32, 2000},
};

constexpr int64_t kLayersPerFullOne = 6;  // every sixth layer sees all tokens, and has no attn_v
bool is_full(int64_t layer) { return layer % kLayersPerFullOne == kLayersPerFullOne - 1; }

const Sizes& find_sizes(const std::string& name) {
  const auto found = std::ranges::find(kSizes, name, &Sizes::name);
  check(found != std::end(kSizes), "sizes: expected \"26b-a4b\" or \"small\", got \"", name, "\"");
  return *found;
}

// Those whose types all have random blocks.
constexpr std::string_view kTypes[] = {"Q4_K_M", "Q8_0", "Q4_0", "BF16"};

void check_types(const std::string& types) {
  check(std::ranges::count(kTypes, types) > 0, R"(types: expected "Q4_K_M", "Q8_0", "Q4_0" or "BF16", got ")", types,
        "\"");
}

// A matrix whose outputs are as large as its inputs.
float even_spread(int64_t columns) { return 1.0f / std::sqrt(static_cast<float>(columns)); }

using Memory = std::shared_ptr<std::byte>;

Memory allocate(int64_t num_bytes) {
  constexpr std::align_val_t kAlignment{64};
  return {static_cast<std::byte*>(::operator new(static_cast<size_t>(num_bytes), kAlignment)),
          [](std::byte* data) { ::operator delete(data, kAlignment); }};
}

class Builder {
 public:
  Builder(const Sizes& sizes, const RandomCheckpointOptions& options, int64_t num_layers)
      : sizes_(sizes), preset_(options.types), num_layers_(num_layers), overlaps_(options.overlaps) {
    context_.num_threads = resolve_threads(options.num_threads);
  }

  Checkpoint build() {
    set_metadata();
    add_tensors();
    for (int64_t layer = 0; layer < num_layers_; ++layer) add_layer(layer);
    choose_types();
    place();
    for (const Matrix& matrix : matrices_) {
      const std::span<const std::byte> bytes(matrix.memory.get() + matrix.offset, matrix.num_bytes);
      checkpoint_.add_tensor(matrix.name, std::string(dtype_name(matrix.kind.first)), matrix.shape, bytes,
                             matrix.memory);
    }
    return checkpoint_;
  }

 private:
  using Kind = std::pair<DType, float>;  // type and spread
  struct Matrix {
    std::string name;
    std::vector<int64_t> shape;
    float spread;
    Kind kind = {};
    int64_t num_bytes = 0;
    Memory memory = {};
    int64_t offset = 0;
  };
  struct Job {
    Kind kind;
    Memory memory;
    int64_t first, num_bytes;
  };

  void set_metadata() {
    const Sizes& s = sizes_;
    std::vector<int64_t> kv_heads, is_sliding;
    for (int64_t layer = 0; layer < num_layers_; ++layer) {
      kv_heads.push_back(is_full(layer) ? s.full_kv_heads : s.kv_heads);
      is_sliding.push_back(!is_full(layer));
    }
    const std::string name = "diffusion-gemma";
    checkpoint_.set("general.architecture", name);
    const std::pair<const char*, Checkpoint::Value> values[] = {
        {"vocab_size", s.vocab},
        {"block_count", num_layers_},
        {"context_length", s.context},
        {"embedding_length", s.hidden},
        {"feed_forward_length", s.ffn},
        {"expert_feed_forward_length", s.expert_ffn},
        {"expert_count", s.experts},
        {"expert_used_count", s.active_experts},
        {"attention.head_count", s.heads},
        {"attention.head_count_kv", kv_heads},
        {"attention.key_length", s.full_head_dim},
        {"attention.value_length", s.full_head_dim},
        {"attention.key_length_swa", s.head_dim},
        {"attention.value_length_swa", s.head_dim},
        {"attention.sliding_window", s.window},
        {"attention.sliding_window_pattern", is_sliding},
        {"attention.layer_norm_rms_epsilon", 1e-6},
        {"rope.freq_base", 1e6},
        {"rope.freq_base_swa", 1e4},
        {"final_logit_softcapping", 30.0},
    };
    for (const auto& [key, value] : values) checkpoint_.set(name + "." + key, value);
    checkpoint_.set("diffusion.canvas_length", s.canvas);
    checkpoint_.set("gesso.image_token_id", s.image_id);
  }

  void add_tensors() {
    const Sizes& s = sizes_;
    // Logits spread as those of a trained model. The signs are random, so that no position predicts its own token.
    add_vector("output_norm.weight", s.hidden, 5.0f, true);
    add_vector("self_cond_pre_norm.weight", s.hidden, 1.0f);
    // Where all tokens are seen, only a quarter of the pairs turns.
    std::vector<float> divisors(s.full_head_dim / 2, 1e30f);
    std::fill_n(divisors.begin(), divisors.size() / 4, 1.0f);
    add_floats("rope_freqs.weight", std::move(divisors));
    add_matrix("", "self_cond_gate", {s.ffn, s.hidden});
    add_matrix("", "self_cond_up", {s.ffn, s.hidden});
    add_matrix("", "self_cond_down", {s.hidden, s.ffn});
    add_matrix("", "token_embd", {s.vocab, s.hidden});
  }

  void add_layer(int64_t layer) {
    const Sizes& s = sizes_;
    const std::string prefix = concat("blk.", layer, ".");
    const int64_t head_dim = is_full(layer) ? s.full_head_dim : s.head_dim;
    const int64_t kv_rows = (is_full(layer) ? s.full_kv_heads : s.kv_heads) * head_dim;
    const auto add_here = [&](const char* role, const std::vector<int64_t>& shape) { add_matrix(prefix, role, shape); };
    add_here("attn_q", {s.heads * head_dim, s.hidden});
    add_here("attn_k", {kv_rows, s.hidden});
    if (!is_full(layer)) add_here("attn_v", {kv_rows, s.hidden});
    add_here("attn_output", {s.hidden, s.heads * head_dim});
    add_here("ffn_gate", {s.ffn, s.hidden});
    add_here("ffn_up", {s.ffn, s.hidden});
    add_here("ffn_down", {s.hidden, s.ffn});
    add_here("ffn_gate_inp", {s.experts, s.hidden});
    add_here("ffn_gate_up_exps", {s.experts, 2 * s.expert_ffn, s.hidden});
    add_here("ffn_down_exps", {s.experts, s.hidden, s.expert_ffn});
    for (const char* norm : {"attn_q_norm", "attn_k_norm"}) {  // attention scores are about 1
      add_vector(prefix + norm + ".weight", head_dim, std::pow(static_cast<float>(head_dim), -0.25f));
    }
    for (const char* norm : {"attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm", "post_ffw_norm_1",
                             "post_ffw_norm_2", "pre_ffw_norm_2"}) {
      add_vector(prefix + norm + ".weight", s.hidden, 1.0f);
    }
    add_vector(prefix + "ffn_gate_inp.scale", s.hidden, 1.0f);
    add_vector(prefix + "ffn_down_exps.scale", s.experts, 1.0f);
    add_vector(prefix + "layer_output_scale.weight", 1, 1.0f);
    add_vector(prefix + "enc_layer_output_scale.weight", 1, 1.0f);
  }

  void add_matrix(const std::string& prefix, const std::string& role, const std::vector<int64_t>& shape) {
    // The router's scores are about 1, so that tokens differ in their experts.
    matrices_.push_back({prefix + role + ".weight", shape, role == "ffn_gate_inp" ? 1.0f : even_spread(shape.back())});
  }

  void choose_types() {
    std::vector<GgufTensor> tensors;
    for (const Matrix& matrix : matrices_) tensors.push_back({matrix.name, "", matrix.shape});
    const std::vector<std::string> types = plan_types(preset_, tensors);
    for (size_t i = 0; i < matrices_.size(); ++i) {
      const DTypeInfo& info = *find_dtype(types[i]);
      int64_t num_elements = 1;
      for (const int64_t extent : matrices_[i].shape) num_elements *= extent;
      matrices_[i].kind = {info.dtype, matrices_[i].spread};
      matrices_[i].num_bytes = num_elements / info.block_elements * info.block_bytes;
    }
  }

  void add_vector(const std::string& name, int64_t size, float mean, bool has_signs = false) {
    std::normal_distribution<float> gaussian(1.0f, 0.02f);
    std::vector<float> values(size);
    for (float& value : values) value = mean * gaussian(random_) * (has_signs && random_() % 2 == 0 ? -1.0f : 1.0f);
    add_floats(name, std::move(values));
  }

  void add_floats(const std::string& name, std::vector<float> values) {
    const auto owner = std::make_shared<const std::vector<float>>(std::move(values));
    checkpoint_.add_tensor(name, "F32", {std::ssize(*owner)}, std::as_bytes(std::span(*owner)), owner);
  }

  // Gives each matrix its memory, and fills it.
  void place() {
    std::map<Kind, RandomBlocks> blocks;
    std::map<Kind, std::pair<int64_t, Memory>> shared;  // with overlaps: how many bytes each kind needs, and where
    for (Matrix& matrix : matrices_) {
      auto [found, is_new] = blocks.try_emplace(matrix.kind);
      if (is_new) found->second = RandomBlocks(matrix.kind.first, matrix.kind.second, context_.num_threads);
      const int64_t index = &matrix - matrices_.data();
      if (overlaps_) matrix.offset = index * found->second.piece_bytes();
      int64_t& num_bytes = shared[matrix.kind].first;
      num_bytes = std::max(num_bytes, matrix.offset + matrix.num_bytes);
    }
    std::vector<Job> jobs;
    for (auto& [kind, piece] : shared) {
      if (overlaps_) add_jobs(kind, piece.second = allocate(piece.first), piece.first, blocks[kind], jobs);
    }
    for (Matrix& matrix : matrices_) {
      matrix.memory = overlaps_ ? shared[matrix.kind].second : allocate(matrix.num_bytes);
      if (!overlaps_) add_jobs(matrix.kind, matrix.memory, matrix.num_bytes, blocks[matrix.kind], jobs);
    }
    parallel_for(context_, std::ssize(jobs), kOperationsPerRun, [&](int64_t i) {
      const Job& job = jobs[i];
      blocks.at(job.kind).fill(job.memory.get() + job.first, job.num_bytes, static_cast<uint64_t>(i));
    });
  }

  // Cuts memory into pieces of some megabytes, so that all threads are busy to the end.
  static void add_jobs(const Kind& kind, const Memory& memory, int64_t num_bytes, const RandomBlocks& blocks,
                       std::vector<Job>& jobs) {
    const int64_t step = blocks.piece_bytes() << 14;
    for (int64_t first = 0; first < num_bytes; first += step) {
      jobs.push_back({kind, memory, first, std::min(step, num_bytes - first)});
    }
  }

  const Sizes& sizes_;
  const std::string preset_;
  const int64_t num_layers_;
  const bool overlaps_;
  Context context_;
  std::mt19937 random_{1};
  std::vector<Matrix> matrices_;
  Checkpoint checkpoint_;
};

}  // namespace

Checkpoint random_checkpoint(const RandomCheckpointOptions& options) {
  const Sizes& sizes = find_sizes(options.sizes);
  check(options.num_layers >= 0 && options.num_layers <= sizes.layers, "num_layers: expected 0 to ", sizes.layers,
        ", got ", options.num_layers);
  check_types(options.types);
  return Builder(sizes, options, options.num_layers > 0 ? options.num_layers : sizes.layers).build();
}

}  // namespace gesso
