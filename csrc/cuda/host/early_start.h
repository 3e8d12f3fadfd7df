// Whether kernels may start while the one before them still runs (device/early_start.h).
#pragma once

namespace gesso::cuda {

// A benchmark sets it to false before it starts any kernel, to measure what it is worth.
inline bool starts_kernels_early = true;

}  // namespace gesso::cuda
