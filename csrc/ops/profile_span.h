// One line per op that a Profile, and NVIDIA's tools, are to see.
#pragma once

#include <chrono>
#include <exception>

#include "core/context.h"
#include "core/profile.h"
#include "ops/memory.h"
#include "ops/trace_range.h"

namespace gesso::ops {

// Adds the time from here to the end of the block to the context's profile, and the work that `count(profile)` tells;
// without a profile it does nothing. On a device it waits for all work before and for the op itself: an op's time is
// then its own, and a whole pass takes longer than unprofiled. On a device a span is a TraceRange too.
class ProfileSpan {
 public:
  template <typename Count>
  ProfileSpan(const Context& context, const char* op, const void* weight, const Count& count)
      : range_(context, op), context_(context), key_(op, weight) {
    if (!context.profile) return;
    work_ = count(*context.profile);
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

  const TraceRange range_;
  const Context& context_;
  Profile::Key key_;
  Work work_;
  Clock::time_point start_;
};

}  // namespace gesso::ops
