// The values of memory that nobody has written yet, and of bytes that nobody may write.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace gesso::emulator {

// Every byte of unwritten memory. The value is NaN in every float type and -1 in every signed integer type.
constexpr int kPoison = 0xff;

// The value of bytes that nobody may write. It too is NaN in float32, bf16 and half precision, but a kernel does not
// write it by chance.
constexpr uint16_t kCanary = 0xfff7;

// One stretch of canaries has at most this many bytes.
constexpr size_t kMaxCanaryBytes = 256;

// The bytes of a stretch that begins at `address`. The pattern depends on whether the address is even or odd.
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
