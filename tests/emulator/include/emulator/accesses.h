// How emulated instructions tell the emulator which memory a thread accesses; watch_accesses in ../../emulator.h says
// what becomes of it. While it is off, a call costs one test of a bool.
#pragma once

#include <cstddef>

#include "rendezvous.h"

namespace gesso::emulator {

enum class AccessKind {
  kLoad,
  kStore,
  kCopy,      // an asynchronous copy to shared memory
  kBulkCopy,  // the same, where any thread may end it (bulk_copies.h)
  kProduct,   // what a product of a warpgroup reads
};

extern GESSO_EMULATOR_EXPORT bool is_watching_accesses;

// These are the functions below while accesses are watched.
GESSO_EMULATOR_EXPORT void record_access(AccessKind kind, const void* address, size_t bytes, const Place& place);
GESSO_EMULATOR_EXPORT void record_end_of_access(AccessKind kind, const void* address, size_t bytes);
GESSO_EMULATOR_EXPORT void record_skipped_access(AccessKind kind, size_t bytes, const Place& place);

// The thread may read and write global memory from here on.
GESSO_EMULATOR_EXPORT void wait_for_earlier_kernels();

// To be called before the access. Copies and products only begin there. They end when they have been waited for.
inline void begin_access(AccessKind kind, const void* address, size_t bytes, const Place& place) {
  if (is_watching_accesses) [[unlikely]]
    record_access(kind, address, bytes, place);
}

// The thread has no part in an access to shared memory that other lanes of its warp may make.
inline void skip_access(AccessKind kind, size_t bytes, const Place& place) {
  if (is_watching_accesses) [[unlikely]]
    record_skipped_access(kind, bytes, place);
}

inline void end_access(AccessKind kind, const void* address, size_t bytes) {
  if (is_watching_accesses) [[unlikely]]
    record_end_of_access(kind, address, bytes);
}

}  // namespace gesso::emulator
