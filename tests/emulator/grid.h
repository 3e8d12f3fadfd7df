// Runs all blocks of a kernel.
#pragma once

#include <string>

#include "emulator/kernel_launch.h"

namespace gesso::emulator {

// Returns what went wrong, or an empty string.
std::string run_grid(const KernelLaunch& launch, int device);

}  // namespace gesso::emulator
