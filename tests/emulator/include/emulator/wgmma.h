// The emulated matrix instructions of a warpgroup, see ../cuda/device/wgmma.h.
//
// The warps of a group do not meet: each computes its 16 rows when its own lanes have come, so that a barrier that
// lacks between writing a tile and multiplying it shows. A product is computed from what lies in shared memory when it
// is issued, through the descriptor and the swizzle; when its group is waited for, the same must still lie there. The
// accumulators are poison until then.
//
// Two simplifications: threads that issue products must have called fence_async_proxy since their last group, whoever
// wrote the tiles; and each group begins with wgmma_fence.
#pragma once

#include <cstdint>

#include "export.h"
#include "rendezvous.h"

namespace gesso::emulator {

GESSO_EMULATOR_EXPORT void fence_async_proxy();
GESSO_EMULATOR_EXPORT void wgmma_fence(const Place& place);
// d: this thread's accumulators, N / 2 of them.
GESSO_EMULATOR_EXPORT void wgmma_bf16(float* d, int n, uint64_t a, uint64_t b, bool accumulate, const Place& place);
GESSO_EMULATOR_EXPORT void wgmma_commit(const Place& place);
GESSO_EMULATOR_EXPORT void wgmma_wait(int num_in_flight, const Place& place);

}  // namespace gesso::emulator
