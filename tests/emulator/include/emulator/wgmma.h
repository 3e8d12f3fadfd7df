// The emulated matrix instructions of a warpgroup; see ../cuda/device/wgmma.h.
//
// The warps of a group do not wait for each other. Each computes its 16 rows when its own lanes have come. So a missing
// barrier between writing a tile and multiplying it shows in the result. A product is computed when it is issued, from
// what its descriptor and the swizzle find in shared memory. When its group is waited for, the tiles, or the registers
// with A, must still hold the same. The sums d are poison until then.
//
// The emulator is simpler than the device in two ways. Every thread that issues products must have called
// fence_async_proxy, no matter which thread wrote the tiles: since its last group with A in shared memory, and since it
// last waited for copies. And each group must begin with wgmma_fence.
#pragma once

#include <cstdint>

#include "export.h"
#include "rendezvous.h"

namespace gesso::emulator {

GESSO_EMULATOR_EXPORT void fence_async_proxy();
// What arrives in shared memory after a fence needs another one.
void forget_proxy_fence();
GESSO_EMULATOR_EXPORT void wgmma_fence(const Place& place);
// `d` is this thread's part of the sums: n / 2 values.
GESSO_EMULATOR_EXPORT void wgmma_bf16(float* d, int n, uint64_t a, uint64_t b, bool accumulate, const Place& place);
// The same with A in registers, four of each thread.
GESSO_EMULATOR_EXPORT void wgmma_bf16(float* d, int n, const uint32_t* a, uint64_t b, bool accumulate,
                                      const Place& place);
// The same of f16.
GESSO_EMULATOR_EXPORT void wgmma_f16(float* d, int n, const uint32_t* a, uint64_t b, bool accumulate,
                                     const Place& place);
// d += a b, where B lies transposed.
GESSO_EMULATOR_EXPORT void wgmma_bf16_transposed(float* d, int n, uint64_t a, uint64_t b, const Place& place);
GESSO_EMULATOR_EXPORT void wgmma_commit(const Place& place);
GESSO_EMULATOR_EXPORT void wgmma_wait(int num_in_flight, const Place& place);

}  // namespace gesso::emulator
