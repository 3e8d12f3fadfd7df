// All device memory is taken and given back here, so that its sum is known.
#pragma once

#include <cstddef>
#include <cstdint>

namespace gesso::cuda {

// Uninitialised, 256-byte aligned. OutOfMemory with asked and free bytes; 0 bytes give nullptr.
std::byte* allocate_on_device(int device, int64_t num_bytes);
void release_on_device(void* data);  // nullptr is fine

int64_t allocated_bytes(int device);  // by gesso, now
int64_t free_bytes(int device);       // that the device could still give

}  // namespace gesso::cuda
