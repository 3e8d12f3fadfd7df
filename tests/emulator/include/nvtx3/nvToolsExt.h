// The part of NVTX that gesso uses, for the emulator: see record_ranges in emulator.h.
#pragma once

#include "emulator/export.h"

// Both return the depth of the range, from 0; negative when there is none to close.
GESSO_EMULATOR_EXPORT int nvtxRangePushA(const char* name);
GESSO_EMULATOR_EXPORT int nvtxRangePop();
