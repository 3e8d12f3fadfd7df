#include "api/c/c_session.h"

#include <memory>
#include <utility>

#include "api/c/c_options.h"
#include "api/c/c_status.h"

using gesso::c::check_pointer;
using gesso::c::guarded;

namespace gesso {

// What the C interface needs of a session besides its own interface.
struct SessionOfC {
  static void generate(Session& session, const std::vector<std::vector<int32_t>>& lists,
                       const GenerationOptions& options, const std::function<void(GenerationResult&)>& use) {
    session.generate(lists, options, use);
  }
};

}  // namespace gesso

namespace {

// What polls both, as far as there are any.
std::function<bool()> either(std::function<bool()> first, std::function<bool()> second) {
  if (!first) return second;
  if (!second) return first;
  return [first = std::move(first), second = std::move(second)] { return first() || second(); };
}

}  // namespace

gesso_status gesso_session_create(const gesso_model* model, int64_t batch_size, gesso_session** out) {
  return guarded([&] {
    check_pointer(model, "model");
    check_pointer(out, "out");
    *out = new gesso_session(gesso::Session(model->model, batch_size), model->model);
  });
}

void gesso_session_free(gesso_session* session) { delete session; }

int64_t gesso_session_batch_size(const gesso_session* session) { return session ? session->session.batch_size() : 0; }

gesso_status gesso_session_length(const gesso_session* session, int64_t sequence, int64_t* length) {
  return guarded([&] {
    check_pointer(session, "session");
    check_pointer(length, "length");
    *length = session->session.length(sequence);
  });
}

gesso_status gesso_session_ids(const gesso_session* session, int64_t sequence, int32_t* ids, size_t capacity,
                               size_t* count) {
  return guarded([&] {
    check_pointer(session, "session");
    check_pointer(count, "count");
    gesso::c::give_list(session->session.ids(sequence), ids, capacity, count);
  });
}

gesso_status gesso_session_cache_bytes(const gesso_session* session, int64_t* num_bytes) {
  return guarded([&] {
    check_pointer(session, "session");
    check_pointer(num_bytes, "num_bytes");
    *num_bytes = session->session.cache_bytes();
  });
}

gesso_status gesso_session_set_poll(gesso_session* session, gesso_poll_callback poll, void* user_data) {
  return guarded([&] {
    check_pointer(session, "session");
    const std::lock_guard lock(session->mutex);
    session->poll = poll;
    session->user_data = user_data;
  });
}

gesso_status gesso_session_encode(gesso_session* session, const gesso_ids* lists, size_t num_lists) {
  return guarded([&] {
    check_pointer(session, "session");
    session->session.encode(gesso::c::copy_lists(lists, num_lists), session->interrupted());
  });
}

gesso_status gesso_session_denoise(gesso_session* session, const int32_t* canvas, size_t num_canvas_ids,
                                   int has_self_conditioning, float* logits, size_t num_logits) {
  return guarded([&] {
    check_pointer(session, "session");
    check_pointer(logits, "logits");
    session->session.denoise(gesso::c::copy_canvases(canvas, num_canvas_ids, session->canvas_length),
                             gesso::c::to_bool("has_self_conditioning", has_self_conditioning), {logits, num_logits},
                             session->interrupted());
  });
}

gesso_status gesso_session_generate(gesso_session* session, const gesso_ids* lists, size_t num_lists,
                                    const gesso_options* options, gesso_result** results) {
  return guarded([&] {
    check_pointer(session, "session");
    check_pointer(results, "results");
    const gesso::Model model = session->model;  // a callback may free the session
    gesso::GenerationOptions chosen = gesso::c::to_options(options, model.config(), session->session.batch_size());
    chosen.interrupted = either(std::move(chosen.interrupted), session->interrupted());
    std::vector<std::unique_ptr<gesso_result>> made;
    const auto keep = [&](gesso::GenerationResult& generated) {
      for (gesso::Result& result : generated.results) {
        made.emplace_back(gesso::c::make_result(std::move(result), model.tokenizer(), generated.timings));
      }
    };
    gesso::SessionOfC::generate(session->session, gesso::c::copy_lists(lists, num_lists), chosen, keep);
    for (size_t i = 0; i < made.size(); ++i) results[i] = made[i].release();
  });
}

gesso_status gesso_session_fork(const gesso_session* session, gesso_session** out) {
  return guarded([&] {
    check_pointer(session, "session");
    check_pointer(out, "out");
    *out = new gesso_session(session->session.fork(), session->model);
  });
}

gesso_status gesso_session_rewind(gesso_session* session, const int64_t* lengths, size_t num_lengths) {
  return guarded([&] {
    check_pointer(session, "session");
    check_pointer(lengths, "lengths");
    session->session.rewind(gesso::c::copy_list("lengths", lengths, num_lengths));
  });
}
