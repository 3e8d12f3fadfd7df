// What stands in memory that nobody has written, and in bytes that nobody may write.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace gesso::emulator {

// NaN in every float type, -1 in every integer.
constexpr int kPoison = 0xff;

// Also NaN in float32, bf16 and half precision, but nothing that a kernel writes by chance.
constexpr uint16_t kCanary = 0xfff7;

// Canaries lie in stretches of at most this many bytes.
constexpr size_t kMaxCanaryBytes = 256;

// The canary for memory at an even address; one byte on is that for an odd one.
inline const std::byte* canary_bytes(const std::byte* address) {
  static const std::array<uint16_t, kMaxCanaryBytes / 2 + 1> pattern = [] {
    std::array<uint16_t, kMaxCanaryBytes / 2 + 1> words;
    words.fill(kCanary);
    return words;
  }();
  return reinterpret_cast<const std::byte*>(pattern.data()) + reinterpret_cast<uintptr_t>(address) % 2;
}

inline void fill_canary(std::byte* data, size_t bytes) { std::memcpy(data, canary_bytes(data), bytes); }
inline bool is_canary(const std::byte* data, size_t bytes) { return std::memcmp(data, canary_bytes(data), bytes) == 0; }

}  // namespace gesso::emulator
