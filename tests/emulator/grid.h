// Runs all blocks of a kernel.
#pragma once

#include <string>

#include "emulator/kernel_launch.h"

namespace gesso::emulator {

// Returns an empty string, or what went wrong.
std::string run_grid(const KernelLaunch& launch, int device);

}  // namespace gesso::emulator
