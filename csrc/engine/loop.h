// The loop over passes. It serves a single generation, a session's batch, and an engine's requests.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "diffusion/step_memory.h"
#include "engine/job.h"
#include "engine/key_shares.h"
#include "engine/prefix_sharing.h"
#include "engine/schedule.h"
#include "model/pass_context.h"

namespace gesso::engine {

// What a call of run_pass did.
struct PassReport {
  int64_t canvases = 0;        // that took a step
  int64_t prompt_rows = 0;     // tokens of prompts that were encoded
  int64_t committed_rows = 0;  // tokens of committed canvases that were encoded
  double ms = 0;               // callbacks included
  bool was_interrupted = false;
  std::vector<Job*> begun;           // got a slot for the first time
  std::vector<Job*> first_canvases;  // committed their first canvas
  std::span<Job* const> ended;       // valid until the next call, or the next add()
  std::vector<int64_t> committed;    // the denoising steps of each canvas that was committed

  bool has_run() const { return canvases + prompt_rows + committed_rows > 0; }
};

// Not for several threads at a time. A job must live until it has ended; its sequence must not be used meanwhile.
class Loop {
 public:
  // At most `max_slots` canvases are under way at a time, or as many as fit a pass. The caches of admitted jobs take at
  // most `memory_bytes`. `pass` and `prefixes`, which may be null, must outlive the object.
  Loop(const model::PassContext& pass, int64_t max_slots, int64_t memory_bytes, PrefixCache* prefixes = nullptr);
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // An error, which can only be std::bad_alloc, changes nothing.
  void add(Job& job);
  bool is_idle() const { return jobs_.empty(); }
  const std::vector<Job*>& jobs() const { return jobs_; }
  // Whether some job that has a slot would go on after this pass. If not, the pass may be interrupted.
  bool is_wanted(Clock::time_point now) const;

  // Ends what was cancelled or is too late, plans one pass, and runs it. A failure of one job ends that job alone. A
  // failure of the pass ends all jobs that took part. Nothing is thrown. If the context says that the pass is
  // interrupted, the caller must see to it that none of them goes on.
  PassReport run_pass() noexcept;
  // Commits all canvases under way as they stand, and ends all jobs. Returns them, as PassReport::ended.
  std::span<Job* const> stop() noexcept;

 private:
  struct Text {
    Job* job;
    int64_t from;  // the length of the cache before the pass
  };

  std::vector<Entry> entries();
  Room room() const;
  Plan plan();
  void begin(Job& job);
  void run(const Plan& plan);
  bool make_room(const std::vector<Part>& parts);
  void compute(const std::vector<Part>& parts);
  void check_finite(Job& job, const model::DenoiseRequest& request, int64_t row);
  void finish_step(Job& job, int64_t row);
  void end_unwanted();
  void end(Job& job, std::exception_ptr error = nullptr) noexcept;
  void drop_ended_canvases();

  model::PassContext pass_;
  int64_t slots_, memory_bytes_;
  PrefixSharing sharing_;
  diffusion::StepMemory memory_;
  std::vector<Job*> jobs_;      // all that have not ended, in the order of submission
  std::vector<Job*> ended_;     // what the last call has ended; it has room for all of jobs_
  std::vector<Job*> canvases_;  // those whose canvas goes on; canvas i has row i of memory_
  std::vector<ops::HeadRow> head_rows_;
  KeyShares keys_;
  int64_t num_added_ = 0;
  PassReport report_;  // of the pass under way
};

}  // namespace gesso::engine
