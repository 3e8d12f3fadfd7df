// Takes and gives back all memory of devices, and all pinned memory of the host, so that gesso knows how much it has
// taken.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gesso::cuda {

// Uninitialised memory, 256-byte aligned; nullptr for 0 bytes. OutOfMemory says how many bytes were asked for and how
// many are free.
std::byte* allocate_on_device(int device, int64_t num_bytes);
// Host memory from which a device can copy while the host goes on.
std::byte* allocate_pinned(int device, int64_t num_bytes);
// Gives back what one of the functions above has given; nullptr is allowed. Whoever calls it has waited for the work
// that uses the memory: CUDA does not promise that it waits.
void release(void* data);

int64_t allocated_bytes(int device);  // of its memory, by gesso, now
int64_t free_bytes(int device);       // that the device could still give

}  // namespace gesso::cuda
