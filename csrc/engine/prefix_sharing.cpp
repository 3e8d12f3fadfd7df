#include "engine/prefix_sharing.h"

#include <algorithm>
#include <span>

namespace gesso::engine {

void PrefixSharing::note_waiting(const std::vector<Job*>& jobs) const {
  if (!prefixes_) return;
  const int64_t block = pass_.config.canvas_length;
  for (Job* job : jobs) {
    job->must_wait = false;
    const model::Sequence& sequence = job->generation.sequence();
    if (job->is_admitted || sequence.cache.length() > 0) continue;  // the cache restores nothing to a session
    const std::vector<int32_t>& ids = sequence.ids;
    for (Job* other : jobs) {
      const model::Sequence& encoding = other->generation.sequence();
      if (!other->has_slot || other->salt != job->salt || encoding.pending().empty()) continue;
      // Most texts differ in the next block or end before it, and then nothing else is compared.
      const int64_t next = encoding.cache.length() / block * block;
      if (next + block > std::min(std::ssize(ids), std::ssize(encoding.ids))) continue;
      if (!std::equal(ids.begin() + next, ids.begin() + next + block, encoding.ids.begin() + next)) continue;
      const auto differ = std::mismatch(ids.begin(), ids.end(), encoding.ids.begin(), encoding.ids.end());
      const int64_t shared = (differ.first - ids.begin()) / block * block;
      if (shared <= encoding.cache.length() || shared <= prefixes_->find(ids, job->salt).restorable) continue;
      job->must_wait = true;
      if (std::find(other->cuts.begin(), other->cuts.end(), shared) == other->cuts.end()) other->cuts.push_back(shared);
    }
  }
}

void PrefixSharing::begin(Job& job) const {
  if (!prefixes_) return;
  model::Sequence& sequence = job.generation.sequence();
  job.cuts = ring_cuts(std::ssize(sequence.ids), pass_.config.canvas_length);
  if (sequence.cache.length() > 0) return;
  // Where this prompt leaves a text that is known, later ones may leave it, too.
  if (const int64_t known = prefixes_->find(sequence.ids, job.salt).known; known > 0) job.cuts.push_back(known);
  job.generation.result().usage.cached_tokens =
      prefixes_->restore(pass_.context, sequence.ids, job.salt, sequence.cache);
}

// Of what is generated only the newest ring is kept, for a later turn of the conversation.
void PrefixSharing::keep(Job& job, int64_t from) const {
  if (!prefixes_ || job.has_ended) return;
  model::Sequence& sequence = job.generation.sequence();
  if (job.generation.num_canvases() == 0) {
    prefixes_->store(pass_.context, sequence.ids, job.salt, sequence.cache, from, job.cuts);
    return;
  }
  const int64_t block = pass_.config.canvas_length, cut = sequence.cache.length() / block * block;
  const bool is_new = prefixes_->find(std::span(sequence.ids).first(cut), job.salt).restorable < cut;
  prefixes_->store(pass_.context, sequence.ids, job.salt, sequence.cache, from, {&cut, 1});
  if (job.last_cut > 0) prefixes_->drop_ring(pass_.context, sequence.ids, job.salt, job.last_cut);
  job.last_cut = is_new ? cut : 0;
}

}  // namespace gesso::engine
