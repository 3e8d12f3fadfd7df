// What the sources of csrc/ops, and no other file, may know: whether this build has the CUDA backend. So all other
// objects are the same with and without it, and a build can take them from another one (cmake/objects_from.cmake).
#pragma once

#include "core/context.h"
#include "ops/current_device.h"

namespace gesso::ops {

// In `if constexpr (kHasCuda)` the CPU build needs no definition of what the discarded branch calls.
#ifdef GESSO_HAS_CUDA
inline constexpr bool kHasCuda = true;
#else
inline constexpr bool kHasCuda = false;
#endif

// dispatch<cpu::linear, cuda::linear>(context, arguments) calls the backend: cuda::linear where the context has a
// queue, else cpu::linear.
template <auto kOnCpu, auto kOnGpu, typename Arguments>
auto dispatch(const Context& context, const Arguments& arguments) {
  if constexpr (kHasCuda) {
    if (context.queue) {
      const cuda::CurrentDevice device(*context.queue);
      return kOnGpu(context, arguments);
    }
  }
  return kOnCpu(context, arguments);
}

}  // namespace gesso::ops
