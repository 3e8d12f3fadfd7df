// Barriers in shared memory, and the copies that they count; see ../cuda/device/bulk_copy.h.
//
// Blocks are emulated one after another. Both blocks of a pair make the same calls, so each is emulated as if the other
// one were at the same place: what it would copy to this block arrives with this block's copies, and its arrivals come
// with those of this block. So a mistake is not seen if it needs two blocks that differ.
//
// A copy reads its source and poisons its target at once. The first wait for its phase writes the target. For the order
// of accesses (access_order.h), what a thread did before it arrived, and its copies, are behind those who have waited.
#pragma once

#include <cstdint>

#include "rendezvous.h"

namespace gesso::emulator {

GESSO_EMULATOR_EXPORT void begin_barrier(uint64_t* barrier, int num_arrivals, const Place& place);
GESSO_EMULATOR_EXPORT void arrive(uint64_t* barrier, int num_arrivals, int num_bytes, const Place& place);
GESSO_EMULATOR_EXPORT void wait_for_phase(uint64_t* barrier, unsigned phase, const Place& place);
GESSO_EMULATOR_EXPORT void start_bulk_copy(void* shared, const void* global, int num_bytes, uint64_t* barrier,
                                           const Place& place);

}  // namespace gesso::emulator
