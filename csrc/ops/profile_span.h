// One line per op that a Profile is to see.
#pragma once

#include <chrono>
#include <exception>
#include <string_view>

#include "core/context.h"
#include "core/profile.h"
#include "ops/memory.h"

namespace gesso::ops {

// Adds the time from here to the end of the block to the context's profile, and the work that `count()` tells;
// without a profile it does nothing. On a device it waits for all work before and for the op itself: an op's time is
// then its own, and a whole pass takes longer than unprofiled.
class ProfileSpan {
 public:
  template <typename Count>
  ProfileSpan(const Context& context, std::string_view op, const void* weight, const Count& count)
      : context_(context), key_(op, weight) {
    if (!context.profile) return;
    work_ = count();
    synchronize(context);
    start_ = Clock::now();
  }
  ~ProfileSpan() {
    // A call that failed is none.
    if (!context_.profile || std::uncaught_exceptions() > 0) return;
    try {
      synchronize(context_);
    } catch (const CudaError&) {
      return;  // the device stays broken; who waits for it next will say so
    }
    context_.profile->add(key_, std::chrono::duration<double, std::milli>(Clock::now() - start_).count(), work_);
  }
  ProfileSpan(const ProfileSpan&) = delete;
  ProfileSpan& operator=(const ProfileSpan&) = delete;

 private:
  using Clock = std::chrono::steady_clock;

  const Context& context_;
  Profile::Key key_;
  Work work_;
  Clock::time_point start_;
};

}  // namespace gesso::ops
