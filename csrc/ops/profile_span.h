// With one line an op reports its time and work to a Profile, and its name to NVIDIA's tools.
#pragma once

#include <exception>
#include <new>
#include <optional>

#include "core/context.h"
#include "core/profile.h"
#include "ops/memory.h"
#include "ops/stopwatch.h"
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
      : context_(context), key_(op, weight) {
    if (context.profile) {
      work_ = count();
      context.profile->begin();
      stopwatch_.emplace(context);
    }
    range_.emplace(context, op);  // behind the stopwatch, so that its kernel is not shown as one of the op's
  }
  ~ProfileSpan() {
    // A call that failed does not count.
    if (!stopwatch_ || std::uncaught_exceptions() > 0) return;
    try {
      context_.profile->add(key_, stopwatch_->stop_ms(), work_);
    } catch (const CudaError&) {       // the error stays with the device: the next wait throws it
    } catch (const std::bad_alloc&) {  // the call is not in the profile
    }
  }
  ProfileSpan(const ProfileSpan&) = delete;
  ProfileSpan& operator=(const ProfileSpan&) = delete;

 private:
  const Context& context_;
  Profile::Key key_;
  Work work_;
  std::optional<Stopwatch> stopwatch_;
  std::optional<TraceRange> range_;
};

}  // namespace gesso::ops
