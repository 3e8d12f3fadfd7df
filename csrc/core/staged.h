// A small array that the host fills and that an op reads on its device, such as token ids or positions.
#pragma once

#include <cstdint>
#include <span>

namespace gesso {

// `device` points to a copy of the values in the memory that the op's kernels read; on the CPU it is host.data(). A
// step can be recorded once and replayed with other values. So a launch (its grid, its choice of kernel) may depend on
// how many values there are, but not on the values.
template <typename T>
struct Staged {
  std::span<const T> host;
  const T* device = nullptr;

  Staged() = default;
  Staged(std::span<const T> host, const T* device) : host(host), device(device) {}

  int64_t size() const { return static_cast<int64_t>(host.size()); }
  Staged subspan(int64_t first, int64_t count) const { return {host.subspan(first, count), device + first}; }
};

}  // namespace gesso
