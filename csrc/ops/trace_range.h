// A name that NVIDIA's tools (Nsight Systems, Nsight Compute) show around what happens while an object of this lives.
#pragma once

#include "core/context.h"

namespace gesso::cuda {
// Of the calling thread; ranges nest. A call costs a test of a pointer while no tool listens. `name` is copied.
void push_range(const char* name);
void pop_range();
}  // namespace gesso::cuda

namespace gesso::ops {

// Nothing on the CPU.
class TraceRange {
 public:
  TraceRange(const Context& context, const char* name) : is_open_(kHasCuda && context.queue) {
    if constexpr (kHasCuda) {
      if (is_open_) cuda::push_range(name);
    }
  }
  ~TraceRange() {
    if constexpr (kHasCuda) {
      if (is_open_) cuda::pop_range();
    }
  }
  TraceRange(const TraceRange&) = delete;
  TraceRange& operator=(const TraceRange&) = delete;

 private:
  const bool is_open_;
};

}  // namespace gesso::ops
