// The emulated csrc/cuda/device/async_copy.h.
#pragma once

#include "cuda/device/kernel.h"
#include "emulator/async_copies.h"

namespace gesso::cuda {

inline uint32_t shared_address(const void* shared) { return emulator::shared_offset(shared); }

inline void copy_async_16(void* shared, const void* global, bool valid = true,
                          const emulator::Place& place = emulator::Place::current()) {
  emulator::start_copy(shared, global, 16, valid, place);
}

inline void copy_async_16_if(bool condition, void* shared, const void* global,
                             const emulator::Place& place = emulator::Place::current()) {
  if (condition) {
    emulator::start_copy(shared, global, 16, true, place);
  } else {
    emulator::skip_copy(16, place);
  }
}

inline void commit_copies() { emulator::commit_copies(); }

template <int kInFlight>
inline void wait_copies() {
  emulator::wait_copies(kInFlight);
}

}  // namespace gesso::cuda
