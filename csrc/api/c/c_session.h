// A session as C holds it.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <utility>

#include "api/c/c_objects.h"

struct gesso_session {
  gesso_session(gesso::Session content, const gesso::Model& of)
      : session(std::move(content)), model(of), canvas_length(of.config().canvas_length) {}

  // What the calls of the session poll, as it is now. It does not need the handle, which a callback may free.
  std::function<bool()> interrupted() const {
    const std::lock_guard lock(mutex);
    return gesso::c::to_interrupted(poll, user_data);
  }

  gesso::Session session;
  const gesso::Model model;
  const int64_t canvas_length;
  mutable std::mutex mutex;  // for what follows
  gesso_poll_callback poll = nullptr;
  void* user_data = nullptr;
};
