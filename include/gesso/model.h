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

// How much each input column of a weight matrix, or of a stack of experts, was used.
struct WeightImportance {
  std::string name;             // "blk.0.attn_q.weight"
  std::vector<int64_t> counts;  // how many rows were multiplied: [experts], or one for a plain matrix
  std::vector<float> sums;      // the sum of these rows' squares: [experts, columns] or [columns]
};

// What a checkpoint's metadata says. It works also for tensors that gesso cannot compute with. FormatError.
ModelConfig read_config(const Checkpoint& checkpoint);
// Memory that is needed beyond the weights: the scratch of a session, and the most that the cache of one sequence of
// `length` tokens takes. A generation adds its soft embeddings, canvas_length * hidden_size floats per sequence.
int64_t scratch_bytes(const ModelConfig& config);
int64_t cache_bytes(const ModelConfig& config, int64_t length);

struct LoadOptions {
  std::string device = "auto";  // "cpu", "cuda" (the first GPU), "cuda:1"; "auto" takes a GPU if there is one
  int num_threads = 0;          // 0: one for each processor this process may use, within its control group's quota
  // How products with weights round their inputs. Weights count as stored, and sums are float32.
  //   "int8"  where the weight is stored in blocks of integers, inputs become integers with one scale (largest value /
  //           127) per 64 columns, on a GPU per 32. With other weights it is as "f32" on the CPU and "bf16" on a GPU
  //   "f32"   nothing is rounded. It is slower, and what to compare others with. CPU only
  //   "bf16"  inputs are rounded to bf16. GPU only
  //   "auto"  "int8" on the CPU, and on a GPU the faster of its two
  // Attention, norms, routing and sampling are float32 on the CPU in any case. Results never depend on the number of
  // threads or on the batch.
  std::string activations = "auto";
  // Called while weights go to a GPU, with the bytes that are done and the bytes in all.
  std::function<void(int64_t, int64_t)> progress = {};
  std::function<bool()> interrupted = {};  // polled meanwhile; returning true ends the load by throwing Interrupted
};

// A loaded model. On the CPU its weights are views of the checkpoint's bytes; on a GPU they are a copy in its memory,
// as stored. Threads: a model never changes, so any number of threads may use it, and its copies, at the same time.
// Copies share the weights, which live as long as any copy or session.
class Model {
 public:
  // Loads a GGUF file. Throws IoError, FormatError, ArgumentError (options), CudaError, and OutOfMemory, which comes
  // before anything is copied and says what is needed and what is free.
  static Model load(const std::string& path, const LoadOptions& options = {});
  explicit Model(const Checkpoint& checkpoint, const LoadOptions& options = {});

  const ModelConfig& config() const;
  const std::optional<Tokenizer>& tokenizer() const;  // nullopt when the checkpoint has none
  int64_t weight_bytes() const;                       // as stored
  // How many threads one call uses, the caller's own included. All models and callers share the others.
  int num_threads() const;
  const std::string& device() const;       // "cpu", "cuda:0"
  const std::string& activations() const;  // "f32" or "int8" on the CPU, "bf16" or "int8" on a GPU
  // Writes a continuation of each prompt (token ids, at least one each), in a session of its own.
  GenerationResult generate(const std::vector<std::vector<int32_t>>& prompts, const GenerationOptions& options) const;

 private:
  friend class Session;
  struct Impl;
  std::shared_ptr<const Impl> impl_;
};

// A batch of growing sequences with their key-value caches. After an exception a session is as before the call.
// Threads: one thread at a time may use a session. Sessions of one model do not disturb each other.
class Session {
 public:
  // ArgumentError unless batch_size >= 1.
  explicit Session(const Model& model, int64_t batch_size = 1);
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  int64_t batch_size() const;
  // The tokens of a sequence so far, prompt and generated ones. The reference holds until the session changes.
  const std::vector<int32_t>& ids(int64_t sequence) const;
  int64_t length(int64_t sequence) const { return static_cast<int64_t>(ids(sequence).size()); }
  // The bytes that the caches take.
  int64_t cache_bytes() const;

  // Appends ids to each sequence and encodes them. The list may be empty for a sequence that has tokens already.
  // ArgumentError for a wrong batch size, ids outside the vocabulary, placeholders of other media, and more tokens than
  // the context holds.
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

  // From now on every pass also sums up the squares of what it multiplies weights with, on the calling thread.
  // ArgumentError unless the model is on the CPU.
  void collect_importance();
  // What has been collected, in the order of the weights in the checkpoint. The embedding's use as head is left out.
  // A pass that failed midway counts as far as it came.
  std::vector<WeightImportance> importance() const;

  // From now on every op adds its time and its work to a profile, until the next call with false. Results stay the
  // same. On a GPU each op then waits for the one before.
  void set_profiling(bool on);
  // What has been added since the last call, in no particular order. It is empty when nothing is profiled.
  std::vector<OpProfile> take_profile();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace gesso
