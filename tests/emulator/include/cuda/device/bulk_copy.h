// The emulated csrc/cuda/device/bulk_copy.h.
#pragma once

#include "cuda/device/async_copy.h"
#include "cuda/device/barrier.h"
#include "cuda/device/kernel.h"
#include "emulator/bulk_copies.h"

namespace gesso::cuda {

using CopyBarrier = uint64_t;

inline void begin_barrier(CopyBarrier* barrier, int num_arrivals,
                          const emulator::Place& place = emulator::Place::current()) {
  emulator::begin_barrier(barrier, num_arrivals, place);
}

inline void sync_pair(const emulator::Place& place = emulator::Place::current()) { sync_block(place); }

inline int place_in_pair() { return static_cast<int>(blockIdx.x % 2); }

inline void arrive(CopyBarrier* barrier, const emulator::Place& place = emulator::Place::current()) {
  emulator::arrive(barrier, 1, 0, place);
}

inline void arrive_and_expect(CopyBarrier* barrier, int num_bytes,
                              const emulator::Place& place = emulator::Place::current()) {
  emulator::arrive(barrier, 1, num_bytes, place);
}

inline void arrive_in_pair(CopyBarrier* barrier, const emulator::Place& place = emulator::Place::current()) {
  emulator::arrive(barrier, 2, 0, place);
}

inline void wait_for_phase(CopyBarrier* barrier, unsigned phase,
                           const emulator::Place& place = emulator::Place::current()) {
  emulator::wait_for_phase(barrier, phase, place);
}

inline void copy_to_pair(void* shared, const void* global, int num_bytes, CopyBarrier* barrier,
                         const emulator::Place& place = emulator::Place::current()) {
  emulator::start_bulk_copy(shared, global, 2 * num_bytes, barrier, place);
}

}  // namespace gesso::cuda
