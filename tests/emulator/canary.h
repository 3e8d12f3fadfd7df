// What stands in memory that nobody has written, and in bytes that nobody may write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace gesso::emulator {

// NaN in every float type, -1 in every integer.
constexpr int kPoison = 0xff;

// Also NaN in float32, bf16 and half precision, but nothing that a kernel writes by chance.
constexpr uint16_t kCanary = 0xfff7;

inline std::byte canary_byte(const std::byte* address) {
  return static_cast<std::byte>(reinterpret_cast<uintptr_t>(address) % 2 == 0 ? kCanary & 0xff : kCanary >> 8);
}

inline void fill_canary(std::byte* data, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) data[i] = canary_byte(data + i);
}

inline bool is_canary(const std::byte* data, size_t bytes) {
  for (size_t i = 0; i < bytes; ++i) {
    if (data[i] != canary_byte(data + i)) return false;
  }
  return true;
}

}  // namespace gesso::emulator
