// Control of the emulated GPUs, for tests. What is emulated, and what a kernel or its host code is told that does
// wrong:
//
// Threads    A block's threads run in turns on one thread of the host, in orders that the seed decides. They change
//            only where they meet: at warp instructions and barriers. Lanes that do not all come are an error.
// Shared     memory is poisoned with 0xff when a block begins. Asynchronous copies poison their target and are written
//            by the wait that covers them. A race that is not caught by poison shows as a result that differs between
//            seeds: see seeds.h.
// Global     memory starts poisoned. An address out of bounds is an error that names kernel, block, thread and the
//            allocation beside it, and so is a vector that is not aligned. The host cannot touch device memory, a
//            kernel cannot be given a pointer to memory that the runtime does not know, unless the device is
//            integrated.
// Streams    are lazy: work runs when the host waits for it. A result that is read too early is not there yet, a buffer
//            that is reused too early is copied with the new content. Copies from host memory that is not pinned take
//            their source at once, those into it run at once, as CUDA says.
// Capture    records; what CUDA forbids in between fails and spoils the capture.
// Errors     of a kernel come out as cudaErrorLaunchFailure of the call that waits for it, and of every later one until
//            cudaGetLastError has told it. cudaGetErrorString has the whole text.
//
// Not emulated: blocks that wait for each other, captures of several streams, limits on registers, the time that
// anything takes, the order in which an mma adds.
#pragma once

#include <cstdint>
#include <string>

#include "emulator/export.h"

namespace gesso::emulator {

// All settings as they were when the program began. Memory and streams stay.
GESSO_EMULATOR_EXPORT void reset_settings();

// Orders of threads and blocks follow from the seed.
GESSO_EMULATOR_EXPORT void set_seed(uint64_t seed);
GESSO_EMULATOR_EXPORT uint64_t seed();

// The compute capability of all devices: 80, 86, 89, 90, 100, 120, 121. Sizes of shared memory follow from it.
GESSO_EMULATOR_EXPORT void set_architecture(int architecture);
GESSO_EMULATOR_EXPORT void set_num_devices(int count);
GESSO_EMULATOR_EXPORT void set_num_multiprocessors(int count);
// Integrated devices read the host's memory.
GESSO_EMULATOR_EXPORT void set_integrated(bool is_integrated);

// The memory of each device; cudaMalloc fails beyond it.
GESSO_EMULATOR_EXPORT void set_total_bytes(int64_t bytes);
GESSO_EMULATOR_EXPORT int64_t allocated_bytes(int device);
GESSO_EMULATOR_EXPORT int64_t peak_bytes(int device);
GESSO_EMULATOR_EXPORT void reset_peak_bytes(int device);
GESSO_EMULATOR_EXPORT int64_t pinned_bytes();

// Dry: memory is only reserved, copies and kernels do nothing. For counting the memory of models that do not fit here.
GESSO_EMULATOR_EXPORT void set_dry_run(bool is_dry);

// Threads of the host that blocks run on; 0 is all cores.
GESSO_EMULATOR_EXPORT void set_num_threads(int count);

// Since the program began. Kernels, allocations (device and pinned) and graph launches by number; waits are calls that
// return only when the device has done something; bytes are those of copies from the device that have run.
GESSO_EMULATOR_EXPORT int64_t num_kernels_run();
GESSO_EMULATOR_EXPORT int64_t num_allocations();
GESSO_EMULATOR_EXPORT int64_t num_host_waits();
GESSO_EMULATOR_EXPORT int64_t num_graph_launches();
GESSO_EMULATOR_EXPORT int64_t bytes_to_host();

// What the last kernel that failed did wrong; empty when none did. Forgets it, as cudaGetLastError does.
GESSO_EMULATOR_EXPORT std::string take_failure();

}  // namespace gesso::emulator
