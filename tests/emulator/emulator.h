// Control of the emulated GPUs, for tests. What is emulated, and which mistakes of a kernel or its host code become
// errors:
//
// Threads    The threads of a block take turns on one thread of the host, in an order that follows from the seed. The
//            turn changes only where threads meet: at warp instructions and barriers. It is an error when not all lanes
//            of a warp come to a meeting.
// Shared     Shared memory is poisoned with 0xff when a block begins. An asynchronous copy poisons its target; the wait
//            that covers the copy writes it. A race that poison does not show makes results differ between seeds, which
//            seeds.h compares.
// Pairs      The blocks of a pair (cuda/device/bulk_copy.h) run one after another, each as if the other one did the
// same at
//            the same time. Mistakes that need two blocks that differ are not found.
// Global     Global memory starts poisoned. An address out of bounds is an error that names the kernel, the block, the
//            thread and the nearest allocation. A vector at an address that is not aligned is an error, too. The host
//            cannot touch device memory. A kernel cannot be given a pointer to memory that the runtime does not know,
//            unless the device is integrated.
// Streams    Queued work runs only when the host waits for it. So a result that the host reads too early is not there,
//            and a buffer that the host writes again too early is copied with its new content. A copy from host memory
//            that is not pinned reads its source at once. A copy into such memory runs at once. CUDA promises both.
//            Memory is given back at once: CUDA does not promise that cudaFree waits for work that still uses it. Such
//            work then fails.
// Capture    A capture records the operations. A call that CUDA forbids during a capture fails and makes the capture
//            invalid.
// Devices    A kernel is refused in a stream of a device other than the calling thread's.
// Errors     After a kernel's mistake the call that waits for the kernel returns cudaErrorLaunchFailure. So does every
//            later call, until cudaGetLastError has returned the error. cudaGetErrorString gives the whole text.
//
// These things are not emulated: blocks that wait for each other, captures of several streams, limits on registers, the
// time that an operation takes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emulator/export.h"

namespace gesso::emulator {

// Sets all settings to what they were when the program began, and counts no accesses. Memory and streams are not
// changed.
GESSO_EMULATOR_EXPORT void reset_settings();

// The orders of threads and of blocks follow from the seed.
GESSO_EMULATOR_EXPORT void set_seed(uint64_t seed);
GESSO_EMULATOR_EXPORT uint64_t seed();

// Sets the compute capability of all devices: 75, 80, 86, 89, 90, 100, 103, 110, 120 or 121. The sizes of shared memory
// follow from it. 75 is there to be refused: it lacks what the kernels need.
GESSO_EMULATOR_EXPORT void set_architecture(int architecture);
GESSO_EMULATOR_EXPORT void set_num_devices(int count);
// Sets the version of CUDA that the driver serves, 1000 * major + 10 * minor; 0 means that there is no driver. The
// runtime is that of CUDA 13.0, and does not start with an older one.
GESSO_EMULATOR_EXPORT void set_driver_version(int version);
// Sets the cudaError_t with which the runtime does not start, whatever the driver's version is; 0 for none.
GESSO_EMULATOR_EXPORT void set_startup_error(int error);
GESSO_EMULATOR_EXPORT void set_num_multiprocessors(int count);
// An integrated device can read the host's memory.
GESSO_EMULATOR_EXPORT void set_integrated(bool is_integrated);

// The calling thread's device, and cudaSetDevice.
GESSO_EMULATOR_EXPORT int current_device();
GESSO_EMULATOR_EXPORT void set_current_device(int device);
// The devices that have a context. On real ones a context takes hundreds of megabytes, so none is made by the way.
GESSO_EMULATOR_EXPORT std::vector<int> started_devices();
GESSO_EMULATOR_EXPORT void forget_started_devices();

// Sets the memory of each device. cudaMalloc fails beyond it.
GESSO_EMULATOR_EXPORT void set_total_bytes(int64_t bytes);
GESSO_EMULATOR_EXPORT int64_t allocated_bytes(int device);
GESSO_EMULATOR_EXPORT int64_t peak_bytes(int device);
GESSO_EMULATOR_EXPORT void reset_peak_bytes(int device);
GESSO_EMULATOR_EXPORT int64_t pinned_bytes();
// What the largest allocation of a device holds, as far as work has run.
GESSO_EMULATOR_EXPORT std::string largest_allocation(int device);
// Whether a stream captures.
GESSO_EMULATOR_EXPORT bool is_capturing();

// In a dry run memory is only reserved, and copies and kernels do nothing. Tests use it to count the memory of models
// that do not fit into the memory of this machine.
GESSO_EMULATOR_EXPORT void set_dry_run(bool is_dry);

// Sets the number of threads of the host that run blocks; 0 means one for each core.
GESSO_EMULATOR_EXPORT void set_num_threads(int count);

// Matrix instructions add float products one by one, and round each sum to the nearest float. With truncated sums they
// add some at once and round toward zero, as the hardware does; truncated_sum.h says what is known of it.
GESSO_EMULATOR_EXPORT void set_truncated_sums(bool is_on);

// Counters since the program began: kernels, allocations (device and pinned memory), waits, graph launches, bytes.
// Kernels are launched when the host queues or records them, also in a dry run; they are run when the device does. A
// query asks for the attributes of a kernel, or sets one. A wait is a call that returns only after the device has done
// some work. The bytes are those of copies from the device that have run.
GESSO_EMULATOR_EXPORT int64_t num_kernels_launched();
GESSO_EMULATOR_EXPORT int64_t num_kernels_run();
GESSO_EMULATOR_EXPORT int64_t num_kernel_queries();
GESSO_EMULATOR_EXPORT int64_t num_allocations();
GESSO_EMULATOR_EXPORT int64_t num_host_waits();
GESSO_EMULATOR_EXPORT int64_t num_graph_launches();
GESSO_EMULATOR_EXPORT int64_t bytes_to_host();

// While watch_accesses is on, the emulator looks at the accesses of kernels to shared and global memory: those of
// load_from and store_to (cuda/device/access.h), of asynchronous copies, of matrix loads and of a warpgroup's products.
// Plain loads and stores are not seen.
//
// It is an error when barriers do not make the order of two accesses certain; access_order.h has the rules. It is also
// one when a thread accesses global memory before wait_for_earlier_kernels (cuda/device/early_start.h). And
// accesses are counted for each kernel, by the name that it is launched with. take_counts returns the counts since the
// last call.
//
// Shared memory has 32 banks of 4 bytes. An access of a warp needs one pass for 32 lanes with up to 4 bytes each, for
// 16 lanes with 8 bytes, for 8 lanes with 16 bytes, and for each 8 x 8 matrix of a matrix load. Lanes that need
// different words of one bank need further passes. Lanes with the same word do not. What products read is not counted.
struct SharedAccesses {
  std::string place;  // the file and line of the call, for example "words.h:21"
  bool is_store = false;
  int bytes = 0;                // of a lane
  int64_t num_accesses = 0;     // of warps
  int64_t num_passes = 0;       // that the accesses need
  int64_t num_free_passes = 0;  // that they would need without conflicts
  int num_ways = 0;             // the most words of one bank in one pass; 1 is without conflicts
};

struct KernelCounts {
  std::string name;
  int64_t num_launches = 0;
  int64_t global_bytes = 0;  // loaded
  std::vector<SharedAccesses> shared;
};

GESSO_EMULATOR_EXPORT void watch_accesses(bool is_on);
GESSO_EMULATOR_EXPORT std::vector<KernelCounts> take_counts();

// While record_ranges is on, the ranges that were opened for NVIDIA's tools are written down, each with those around
// it: "step/linear". It is off unless a test turns it on. num_open_ranges counts those of the calling thread.
GESSO_EMULATOR_EXPORT void record_ranges(bool is_on);
GESSO_EMULATOR_EXPORT std::vector<std::string> take_ranges();
GESSO_EMULATOR_EXPORT int num_open_ranges();

// What the last kernel that failed did wrong, or an empty string. The call forgets the failure, as cudaGetLastError
// does.
GESSO_EMULATOR_EXPORT std::string take_failure();

}  // namespace gesso::emulator
