// A range with a name, which NVIDIA's tools (Nsight Systems, Nsight Compute) show around the work done while it is
// open.
#pragma once

#include "core/context.h"

namespace gesso::cuda {
// A range belongs to the calling thread, and ranges nest. While no tool listens, a call only tests a pointer. `name` is
// copied.
void push_range(const char* name);
void pop_range();
}  // namespace gesso::cuda

namespace gesso::ops {

// The range is open as long as the object lives. On the CPU this class does nothing.
class TraceRange {
 public:
  TraceRange(const Context& context, const char* name);
  ~TraceRange();
  TraceRange(const TraceRange&) = delete;
  TraceRange& operator=(const TraceRange&) = delete;

 private:
  const bool is_open_;
};

}  // namespace gesso::ops
