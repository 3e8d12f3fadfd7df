// Models and sessions: the library's front door.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gesso/bench.h"
#include "gesso/checkpoint.h"
#include "gesso/config.h"
#include "gesso/device.h"
#include "gesso/error.h"
#include "gesso/generation.h"
#include "gesso/tokenizer.h"

namespace gesso {

class Session;

// Of one weight matrix, or of a stack of experts: how much each of its input columns was used.
struct WeightImportance {
  std::string name;             // "blk.0.attn_q.weight"
  std::vector<int64_t> counts;  // [experts], or one: rows that were multiplied
  std::vector<float> sums;      // [experts, columns] or [columns]: sums of their squares
};

// What a checkpoint's metadata says, also when its tensors cannot be computed with. FormatError.
ModelConfig read_config(const Checkpoint& checkpoint);
// Memory beyond the weights: a session's scratch, and the most that the cache of one sequence of `length` tokens takes.
// A generation adds its soft embeddings, canvas_length * hidden_size floats per sequence.
int64_t scratch_bytes(const ModelConfig& config);
int64_t cache_bytes(const ModelConfig& config, int64_t length);

struct LoadOptions {
  std::string device = "auto";  // "cpu", "cuda" (the first GPU), "cuda:1"; "auto": a GPU if there is one
  int num_threads = 0;          // 0: one per processor this process may use, within the quota of its control group
  // How products with weights round the activations they multiply; weights count as stored, and sums are float32.
  // "int8": where the weight is stored in blocks of integers, to integers with one scale per 64 columns (on a GPU 32),
  // largest value / 127; elsewhere as "f32" on the CPU and as "bf16" on a GPU. "f32" (CPU only): not at all; slower,
  // and what to compare others with. "bf16" (GPU only): to bf16. "auto": "int8" on the CPU, on a GPU the faster of its
  // two. Attention, norms, routing and sampling are float32 on the CPU either way. Results do not depend on threads or
  // batch with any.
  std::string activations = "auto";
  // Called while weights go to a GPU, with bytes done and in all.
  std::function<void(int64_t, int64_t)> progress = {};
  std::function<bool()> interrupted = {};  // polled meanwhile; true ends the load by throwing Interrupted
};

// An immutable model; copies share it. On the CPU weights are views of the checkpoint's bytes, on a GPU a copy of them
// in its memory, as stored. Safe to use from several threads; each session belongs to one at a time.
class Model {
 public:
  // A GGUF file. IoError, FormatError, ArgumentError (options), OutOfMemory (with what is needed and what is free,
  // before anything is copied), CudaError.
  static Model load(const std::string& path, const LoadOptions& options = {});
  explicit Model(const Checkpoint& checkpoint, const LoadOptions& options = {});

  const ModelConfig& config() const;
  const std::optional<Tokenizer>& tokenizer() const;  // nullopt when the checkpoint has none
  int64_t weight_bytes() const;                       // as stored
  int num_threads() const;  // per call, the caller's own included; the others are shared by all models and callers
  const std::string& device() const;       // "cpu", "cuda:0"
  const std::string& activations() const;  // "f32" or "int8" on the CPU, "bf16" or "int8" on a GPU
  // One generation from scratch for each prompt (token ids, at least one each).
  GenerationResult generate(const std::vector<std::vector<int32_t>>& prompts, const GenerationOptions& options) const;

 private:
  friend class Session;
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

// A batch of growing sequences with their key-value caches. After an exception a session is as before the call.
class Session {
 public:
  // ArgumentError unless batch_size >= 1.
  Session(const Model& model, int64_t batch_size = 1);
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  int64_t batch_size() const;
  // Tokens of each sequence so far, prompt and generated.
  const std::vector<int32_t>& ids(int64_t sequence) const;
  int64_t length(int64_t sequence) const { return static_cast<int64_t>(ids(sequence).size()); }
  // Bytes the caches occupy.
  int64_t cache_bytes() const;

  // Appends ids to each sequence and encodes them. An empty list is fine for a sequence that has tokens already.
  // ArgumentError: wrong batch size, ids outside the vocabulary, placeholders of other media, beyond the context.
  void encode(const std::vector<std::vector<int32_t>>& ids, const std::function<bool()>& interrupted = {});
  // Forgets what lies behind the first lengths[i] tokens of each sequence (one length, or one per sequence).
  void rewind(const std::vector<int64_t>& lengths);
  // One denoising pass. canvas [B][C]; logits [B, C, V] float32, overwritten by the soft-capped logits before
  // temperature. With has_self_conditioning they hold the processed logits of the step before on entry.
  void denoise(const std::vector<std::vector<int32_t>>& canvas, bool has_self_conditioning, std::span<float> logits,
               const std::function<bool()>& interrupted = {});
  // Appends `ids` as encode() does (an empty outer list appends nothing) and continues every sequence. Afterwards the
  // sequences hold what was generated, up to and without the first end token; the last canvas is encoded when something
  // needs it.
  GenerationResult generate(const std::vector<std::vector<int32_t>>& ids, const GenerationOptions& options);

  // From now on every pass also sums up what it multiplies weights with, on the calling thread. ArgumentError unless
  // the model is on the CPU.
  void collect_importance();
  // What has been collected, by the weights' order in the checkpoint; the embedding as head is left out. Passes that
  // failed midway count as far as they came.
  std::vector<WeightImportance> importance() const;

  // From now on every op adds its time and its work to a profile, until the next call with false. Results stay the
  // same; on a GPU each op then waits for the one before.
  void set_profiling(bool on);
  // What has been added since the last call, in no order that means anything. Empty when nothing is profiled.
  std::vector<OpProfile> take_profile();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gesso
