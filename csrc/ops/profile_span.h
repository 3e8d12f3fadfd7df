// With one line an op reports its time and work to a Profile, and its name to NVIDIA's tools.
#pragma once

#include <chrono>
#include <exception>

#include "core/context.h"
#include "core/profile.h"
#include "ops/memory.h"
#include "ops/trace_range.h"

namespace gesso::ops {

// Adds the time from its construction to its destruction to the context's profile, and the work that `count()` returns.
// Without a profile it does nothing. On a device it waits for all earlier work first, and for the op at the end. So an
// op's time is its own, and a whole pass takes longer than it does without a profile. On a device a span is a
// TraceRange too, with or without a profile.
class ProfileSpan {
 public:
  template <typename Count>
  ProfileSpan(const Context& context, const char* op, const void* weight, const Count& count)
      : range_(context, op), context_(context), key_(op, weight) {
    if (!context.profile) return;
    work_ = count();
    context.profile->begin();
    synchronize(context);
    start_ = Clock::now();
  }
  ~ProfileSpan() {
    // A call that failed does not count.
    if (!context_.profile || std::uncaught_exceptions() > 0) return;
    try {
      synchronize(context_);
    } catch (const CudaError&) {
      return;  // the error stays with the device: the next wait throws it
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
