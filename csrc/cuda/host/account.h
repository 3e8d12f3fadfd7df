// Takes and gives back all device memory, so that gesso knows how much it has taken.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gesso::cuda {

// Uninitialised memory, 256-byte aligned; nullptr for 0 bytes. OutOfMemory says how many bytes were asked for and how
// many are free.
std::byte* allocate_on_device(int device, int64_t num_bytes);
void release_on_device(void* data);  // nullptr is allowed

int64_t allocated_bytes(int device);  // by gesso, now
int64_t free_bytes(int device);       // that the device could still give

}  // namespace gesso::cuda
