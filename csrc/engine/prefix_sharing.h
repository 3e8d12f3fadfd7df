// How jobs share the beginnings of their texts: who waits for whom, and what the prefix cache keeps.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/job.h"
#include "engine/prefix_cache.h"
#include "model/pass_context.h"

namespace gesso::engine {

class PrefixSharing {
 public:
  // Without a prefix cache (null) nothing is shared. Both must outlive the object.
  PrefixSharing(const model::PassContext& pass, PrefixCache* prefixes) : pass_(pass), prefixes_(prefixes) {}

  // Sets must_wait of all jobs. A job that has not begun waits while another one, which has a slot, encodes a beginning
  // that both have, if the prefix cache will then hold more of it than now.
  void note_waiting(const std::vector<Job*>& jobs) const;
  // Takes over what is held of the job's text, and decides what will be kept of it. OutOfMemory, CudaError.
  void begin(Job& job) const;
  // Keeps what a pass has encoded for the job: ids[from .. cache.length() - 1].
  void keep(Job& job, int64_t from) const;

 private:
  const model::PassContext& pass_;
  PrefixCache* prefixes_;
};

}  // namespace gesso::engine
