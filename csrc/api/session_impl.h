// What a Session has: its sequences, the memory of its passes, and who is using them.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "api/append_ids.h"
#include "api/model_impl.h"
#include "core/check.h"
#include "core/importance.h"
#include "core/profile.h"
#include "core/users.h"
#include "gesso/error.h"
#include "model/denoise.h"
#include "model/pass_context.h"
#include "model/pass_scratch.h"
#include "model/sequence.h"
#include "ops/memory.h"

namespace gesso {

inline constexpr char kSessionIsBusy[] =
    "the session is busy: another call has not returned. Each thread needs a session of its own, and a callback cannot"
    " use the session that called it";

struct Session::Impl {
  // One call of a session. It keeps the session's content until it ends, so that a callback may destroy the Session.
  template <typename Hold>
  class Call {
   public:
    Call(const std::shared_ptr<Impl>& session, const char* name)
        : impl_((check(session != nullptr, name, ": the session was moved to another one"), session)),
          hold_(session->users, name) {}
    Impl* operator->() const { return impl_.get(); }

   private:
    std::shared_ptr<Impl> impl_;  // destroyed after `hold_`, which refers to it
    Hold hold_;
  };
  using ReadingCall = Call<Reading>;
  using ChangingCall = Call<Changing>;
  using NestingCall = Call<Nesting>;

  Model model;
  std::shared_ptr<const Model::Impl> shared;
  ops::QueuePointer queue;  // declared before all memory of its device, so that it is destroyed last
  model::PassScratch memory;
  std::vector<model::Sequence> sequences;
  std::unique_ptr<Importance> importance;  // only while it is collected
  std::unique_ptr<Profile> profile;        // only while ops are profiled
  Users users{kSessionIsBusy};

  ~Impl() { ops::wait_for_leftovers(shared->context({}, queue)); }  // before its memory goes

  Context context(const std::function<bool()>& interrupted) const {
    Context context = shared->context(interrupted, queue);
    context.importance = importance.get();
    context.profile = profile.get();
    return context;
  }
  // The result refers to `context` and is used for one call.
  model::PassContext pass(const Context& context) {
    return {context, config(), shared->weights, memory, shared->exact_soft_embedding};
  }
  const ModelConfig& config() const { return shared->config; }
  int64_t batch_size() const { return static_cast<int64_t>(sequences.size()); }
  int64_t length(int64_t sequence) const { return std::ssize(sequences[sequence].ids); }

  const model::Sequence& at(int64_t sequence) const {
    check(sequence >= 0 && sequence < batch_size(), "sequence: expected 0 to ", batch_size() - 1, ", got ", sequence);
    return sequences[sequence];
  }

  void check_batch(const char* what, size_t size) const {
    check(static_cast<int64_t>(size) == batch_size(), what, ": expected one entry per sequence (", batch_size(),
          "), got ", size);
  }

  // Appends ids without encoding them. If any ids are refused, no sequence changes.
  void append(const std::vector<std::vector<int32_t>>& ids) {
    check_batch("ids", ids.size());
    append_ids(ids, sequences, config());
  }

  void encode_pending(const Context& context) {
    std::vector<model::Sequence*> all;
    for (model::Sequence& sequence : sequences) all.push_back(&sequence);
    model::encode_pending(pass(context), all);
  }

  // Runs one pass whose logits are on the host, those that it reads and those that it writes. On a device the pass uses
  // a copy of all of them in the device's memory.
  void denoise(const Context& context, std::span<const model::DenoiseRequest> requests, Matrix logits);
  // Throws NumericsError where a logit is not finite.
  void check_finite(const Context& context, std::span<const model::DenoiseRequest> requests, ConstMatrix soft_embedding,
                    ConstMatrix logits);

  // The content of Session::save, piece by piece, and Session::load. Errors begin with `name`.
  void save(const Context& context, const std::function<void(std::span<const std::byte>)>& sink) const;
  static Session load(const Model& model, std::string name, std::span<const std::byte> bytes,
                      const std::function<bool()>& interrupted);

  // Runs `body`. If it throws, every sequence gets back the ids that it had before.
  template <typename Body>
  auto all_or_nothing(const Body& body) {
    std::vector<int64_t> lengths;
    for (const model::Sequence& sequence : sequences) lengths.push_back(static_cast<int64_t>(sequence.ids.size()));
    try {
      return body();
    } catch (...) {
      ops::wait_for_leftovers(shared->context({}, queue));
      for (size_t i = 0; i < lengths.size(); ++i) sequences[i].rewind(lengths[i]);
      throw;
    }
  }
};

}  // namespace gesso
