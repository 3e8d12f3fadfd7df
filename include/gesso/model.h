// Models and sessions: the classes that a program begins with.
#pragma once

#include <cstddef>
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
#include "gesso/export.h"
#include "gesso/generation.h"
#include "gesso/tokenizer.h"

namespace gesso {

class Engine;
class Request;
class Session;

// How much each input column of a weight matrix, or of a stack of experts, was used.
struct WeightImportance {
  std::string name;             // "blk.0.attn_q.weight"
  std::vector<int64_t> counts;  // how many rows were multiplied: [experts], or one for a plain matrix
  std::vector<float> sums;      // the sum of these rows' squares: [experts, columns] or [columns]
};

// Reads what a checkpoint's metadata says. It works for tensors that gesso cannot compute with, too. Throws
// FormatError.
GESSO_API ModelConfig read_config(const Checkpoint& checkpoint);
// The memory that is needed beside the weights: the scratch of a session, and the most that the cache of one sequence
// of `length` tokens takes. A generation also needs its soft embeddings, canvas_length * hidden_size floats per
// sequence.
GESSO_API int64_t scratch_bytes(const ModelConfig& config);
GESSO_API int64_t cache_bytes(const ModelConfig& config, int64_t length);

struct LoadOptions {
  std::string device = "auto";  // "cpu", "cuda" (the first GPU), "cuda:1"; "auto" takes a GPU if there is one
  int num_threads = 0;          // 0: one for each processor this process may use, within its control group's quota
  // How products with weights round their inputs. Weights are used as stored, and sums are float32.
  //   "int8"  Where the weight is stored in blocks of integers, inputs become integers. On the CPU 64 columns have one
  //           scale (largest value / 127), on a GPU 32 columns. Other weights are used as with "f32" on the CPU and as
  //           with "bf16" on a GPU.
  //   "f32"   Nothing is rounded. It is slower, and the others can be compared with it. Only the CPU has it.
  //   "bf16"  Inputs are rounded to bf16. Only GPUs have it.
  //   "auto"  On the CPU it is "int8", and on a GPU the faster of its two.
  // On the CPU attention, norms, routing and sampling are float32 in any case. Results never depend on the number of
  // threads or on the batch.
  std::string activations = "auto";
  // The soft embedding is the mean of all tokens' embeddings, weighted with the probabilities of a step. Where the
  // weights that read it round their inputs to integers, the CPU leaves out the least probable tokens, up to 2^-12 of
  // the probability. True keeps them: at most 2^-24 is left out, as for other weights. A GPU leaves out none in any
  // case.
  bool exact_soft_embedding = false;
  // Called while weights go to a GPU, with the bytes that have arrived and the bytes in all.
  std::function<void(int64_t, int64_t)> progress = {};
  // For Model::load without mmap: called while the file is read, see OpenOptions::progress.
  std::function<void(int64_t, int64_t)> read_progress = {};
  std::function<bool()> interrupted = {};  // called during the whole load; true ends it by throwing Interrupted
  bool mmap = true;                        // for Model::load: how it opens the file, see OpenOptions
  // A GPU that shares the host's memory (GB10) reads weights where the file is mapped, or where it was read to. True
  // copies them to memory of its own kind, as for any other GPU. It takes as much memory again. Which is faster has to
  // be measured: `gesso bench --copy-weights`.
  bool copy_weights = false;
};

// A loaded model. On the CPU its weights are views of the checkpoint's bytes; on a GPU they are a copy in its memory,
// as stored, unless it shares the host's memory. Threads: a model never changes, so any number of threads may use it,
// and its copies, at the same time. Copies share the weights, which live as long as any copy or session.
class GESSO_API Model {
 public:
  // Loads a GGUF file, or all parts of a split one, see Checkpoint::open. Throws IoError, FormatError, ArgumentError
  // (for the path and the options), CudaError and OutOfMemory. If weights do not fit a GPU, OutOfMemory is thrown
  // before anything is copied, and says what is needed and what is free.
  static Model load(const std::string& path, const LoadOptions& options = {});
  explicit Model(const Checkpoint& checkpoint, const LoadOptions& options = {});

  const ModelConfig& config() const;
  const std::optional<Tokenizer>& tokenizer() const;  // nullopt when the checkpoint has none
  int64_t weight_bytes() const;                       // as stored
  // How many threads one call uses, the caller's own included. All models and callers share the other threads.
  int num_threads() const;
  const std::string& device() const;       // "cpu", "cuda:0"
  const std::string& activations() const;  // "f32" or "int8" on the CPU, "bf16" or "int8" on a GPU
  // Writes a continuation of each prompt (token ids, at least one each). It uses a session of its own.
  GenerationResult generate(const std::vector<std::vector<int32_t>>& prompts, const GenerationOptions& options) const;

 private:
  friend class Engine;
  friend class Session;
  struct GESSO_HIDDEN Impl;
  std::shared_ptr<const Impl> impl_;
};

// A batch of growing sequences with their key-value caches. After an exception a session is as it was before the call.
// Threads: a session is for one call at a time; give each thread a session of its own. While a call that changes the
// session is under way, every other call throws BusyError, except batch_size(). That is so in another thread, and in
// the call's own callbacks: a callback gets what it needs from its event. denoise() counts as a call that changes.
// Several calls that read may go on at once. Moving or destroying a session is no call: a callback may do it, and the
// call that is under way goes on to its end. Sessions of one model do not disturb each other.
class GESSO_API Session {
 public:
  // ArgumentError unless batch_size is 1 to kMaxBatch (limits.h).
  explicit Session(const Model& model, int64_t batch_size = 1);
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  int64_t batch_size() const;
  // A copy of the tokens of a sequence so far, those of the prompt and generated ones. ArgumentError unless
  // 0 <= sequence < batch_size().
  std::vector<int32_t> ids(int64_t sequence) const;
  std::vector<std::vector<int32_t>> ids() const;  // of all sequences at one time
  int64_t length(int64_t sequence) const;
  // The bytes that the caches take. What a session shares with its forks counts in each of them.
  int64_t cache_bytes() const;

  // Makes an independent session with the same content: each of the two goes on as if the other did not exist. It takes
  // no time, because both share the cache. Whichever appends to a sequence first makes a copy of that sequence's part.
  // The fork has its own scratch memory, and a queue of its own on a GPU. It collects no importance and no profile.
  Session fork() const;
  // Writes everything that the session holds: the ids, also those that are not encoded yet, and the cache. The form
  // with a path writes a temporary file beside it, which only its owner may read, and then renames that. It replaces a
  // saved session, an empty file or a link of that name. IoError where something else is, which stays as it is. The
  // other form returns the bytes. From a GPU rows come through the host's memory. `interrupted` is polled meanwhile;
  // true ends the call by throwing Interrupted.
  void save(const std::string& path, const std::function<bool()>& interrupted = {}) const;
  std::vector<std::byte> save(const std::function<bool()>& interrupted = {}) const;
  // Throws what save(path) would throw because of the path, so that a program can ask before it works for hours.
  // Nothing is left behind.
  static void check_save(const std::string& path);
  // Makes a session of what save() has written. It generates, bit for bit, what the saved session would have generated.
  // The model must be the same: its configuration, and its tensors' names, types, shapes and bytes. Of a model of more
  // than 256 MiB only samples of the bytes are compared, 4 KiB of every 4 MiB: a fine-tune is noticed, and a change of
  // single bytes may not be. The model must be on the CPU if it was, or on a GPU, and have the same activations.
  // LoadOptions::exact_soft_embedding may differ, since the cache does not depend on it. FormatError says what differs,
  // or that the bytes are truncated or damaged. A file of another kind or model is refused by its first bytes. While a
  // file is loaded, it takes as much memory as it is long.
  static Session load(const Model& model, const std::string& path, const std::function<bool()>& interrupted = {});
  static Session load(const Model& model, std::span<const std::byte> bytes,
                      const std::function<bool()>& interrupted = {});

  // Appends ids to each sequence and encodes them. A sequence that has tokens already may get an empty list.
  // ArgumentError for a wrong batch size, for ids outside the vocabulary or that stand for other media, and for more
  // tokens than the context holds.
  void encode(const std::vector<std::vector<int32_t>>& ids, const std::function<bool()>& interrupted = {});
  // Forgets everything behind the first lengths[i] tokens of each sequence. `lengths` has one length for all, or one
  // each.
  void rewind(const std::vector<int64_t>& lengths);
  // How many of the first `length` tokens of a sequence stay encoded if rewind() goes back to them. It is 0 where a
  // sliding layer has dropped what a token at `length` would see. ArgumentError unless 0 <= length <= length(sequence).
  int64_t encoded(int64_t sequence, int64_t length) const;
  // Runs one denoising pass. canvas [B][C]. logits [B, C, V] float32 are overwritten by the soft-capped logits before
  // they are divided by the temperature. With has_self_conditioning they must hold the processed logits of the step
  // before. NumericsError when a logit is not finite.
  void denoise(const std::vector<std::vector<int32_t>>& canvas, bool has_self_conditioning, std::span<float> logits,
               const std::function<bool()>& interrupted = {});
  // Appends `ids` as encode() does, and continues every sequence. If the outer list is empty, nothing is appended.
  // Afterwards the sequences hold the new tokens, as Result::ids has them. The last canvas is encoded when a later call
  // needs it. ArgumentError for bad options, NumericsError when a step's numbers are not finite, Interrupted.
  GenerationResult generate(const std::vector<std::vector<int32_t>>& ids, const GenerationOptions& options);

  // From now on every pass also sums up, on the calling thread, the squares of the values that it multiplies weights
  // with.
  // ArgumentError unless the model is on the CPU.
  void collect_importance();
  // What has been collected, in the order of the weights in the checkpoint. The head's product is not collected. A pass
  // that failed midway counts as far as it came.
  std::vector<WeightImportance> importance() const;

  // From now on, until a call with false, every op adds its time and its work to a profile. Each call also discards
  // what take_profile() has not returned. Results stay the same. On a GPU each op then waits for the op before it.
  void set_profiling(bool on);
  // Returns what was added since the last call, in no particular order. It is empty when nothing is profiled.
  // A callback of this session may call it, too, and then gets what the call under way has added.
  std::vector<OpProfile> take_profile();

 private:
  friend class Engine;
  friend class Request;
  friend struct SessionOfC;
  struct GESSO_HIDDEN Impl;
  // `use` gets the result inside the call: if it throws, the session is as before.
  GESSO_HIDDEN GenerationResult generate(const std::vector<std::vector<int32_t>>& ids, const GenerationOptions& options,
                                         const std::function<void(GenerationResult&)>& use);
  std::shared_ptr<Impl> impl_;  // a call that is under way shares it; a session that was moved from has none
};

}  // namespace gesso
