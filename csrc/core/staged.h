// A small array that the host writes for an op to read on its device.
#pragma once

#include <cstdint>
#include <span>

namespace gesso {

// `device` holds the same values where the op's kernels read them; on the CPU it is host.data(). The values may change
// between replays of a recorded step, so nothing that is fixed in one may depend on them: only on their number.
template <typename T>
struct Staged {
  std::span<const T> host;
  const T* device = nullptr;

  Staged() = default;
  Staged(std::span<const T> host, const T* device) : host(host), device(device) {}
  // Of an op on the CPU.
  Staged(std::span<const T> host) : host(host), device(host.data()) {}

  int64_t size() const { return static_cast<int64_t>(host.size()); }
  Staged subspan(int64_t first, int64_t count) const { return {host.subspan(first, count), device + first}; }
};

}  // namespace gesso
