// The emulated csrc/cuda/device/access.h.
#pragma once

#include "cuda/device/kernel.h"
#include "emulator/accesses.h"

namespace gesso::cuda {

template <typename T>
inline T load_from(const void* address, const emulator::Place& place = emulator::Place::current()) {
  static_assert(sizeof(T) <= 16);
  emulator::begin_access(emulator::AccessKind::kLoad, address, sizeof(T), place);
  return *static_cast<const T*>(address);
}

template <typename T>
inline void store_to(void* address, const T& value, const emulator::Place& place = emulator::Place::current()) {
  static_assert(sizeof(T) <= 16);
  emulator::begin_access(emulator::AccessKind::kStore, address, sizeof(T), place);
  *static_cast<T*>(address) = value;
}

}  // namespace gesso::cuda
