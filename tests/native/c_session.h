// A session as programs in C hold it.
#pragma once

#include <vector>

#include "c_model.h"

namespace gesso::test {

using Ids = std::vector<int32_t>;

inline Ids to_ids(const int32_t* first, size_t count) { return {first, first + count}; }
inline Ids ids_of(const gesso_result* result) {
  size_t count = 0;
  const int32_t* first = gesso_result_ids(result, &count);
  return to_ids(first, count);
}

// Few steps of one canvas.
inline gesso_options short_options(int64_t num_tokens = 1) {
  gesso_options options;
  REQUIRE(gesso_options_init(&options, sizeof options) == GESSO_OK);
  options.max_new_tokens = num_tokens;
  options.max_denoising_steps = 3;
  return options;
}

// A session, and what it has generated last.
struct InC {
  explicit InC(const gesso_model* model, int64_t batch_size = 1) {
    REQUIRE(gesso_session_create(model, batch_size, &session) == GESSO_OK);
  }
  explicit InC(gesso_session* made) : session(made) {}
  InC(const InC&) = delete;
  InC& operator=(const InC&) = delete;
  ~InC() { gesso_session_free(session); }

  gesso_status encode(const std::vector<Ids>& lists) {
    const std::vector<gesso_ids> views = as_lists(lists);
    return gesso_session_encode(session, views.data(), views.size());
  }

  gesso_status generate(const std::vector<Ids>& lists, const gesso_options* options) {
    const std::vector<gesso_ids> views = as_lists(lists);
    std::vector<gesso_result*> results(static_cast<size_t>(gesso_session_batch_size(session)));
    const gesso_status status = gesso_session_generate(session, views.data(), views.size(), options, results.data());
    texts.clear();
    for (gesso_result* result : results) {
      if (status == GESSO_OK) texts.push_back(ids_of(result));
      gesso_result_free(result);
    }
    return status;
  }

  Ids ids(int64_t sequence = 0) const {
    size_t count = 0;
    REQUIRE(gesso_session_ids(session, sequence, nullptr, 0, &count) == GESSO_OK);
    Ids all(count);
    REQUIRE(gesso_session_ids(session, sequence, all.data(), all.size(), &count) == GESSO_OK);
    return all;
  }

  static std::vector<gesso_ids> as_lists(const std::vector<Ids>& lists) {
    std::vector<gesso_ids> views;
    for (const Ids& list : lists) views.push_back({list.data(), list.size()});
    return views;
  }

  gesso_session* session = nullptr;
  std::vector<Ids> texts;  // of each sequence
};

}  // namespace gesso::test
