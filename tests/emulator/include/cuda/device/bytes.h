// The emulated csrc/cuda/device/bytes.h.
#pragma once

#include <bit>

#include "cuda/device/kernel.h"

namespace gesso::cuda {

inline uint32_t permute_bytes(uint32_t low, uint32_t high, uint32_t selector) {
  const uint64_t bytes = uint64_t{high} << 32 | low;
  uint32_t result = 0;
  for (int i = 0; i < 4; ++i) result |= static_cast<uint32_t>(bytes >> (selector >> 4 * i & 7) * 8 & 0xff) << 8 * i;
  return result;
}

// Of a byte whose selector has bit 3 the hardware repeats the first bit eight times.
inline uint32_t select_bytes(uint32_t low, uint32_t high, uint32_t selector) {
  uint32_t result = permute_bytes(low, high, selector);
  for (int i = 0; i < 4; ++i) {
    const uint32_t byte = 0xffu << 8 * i;
    if (selector >> 4 * i & 8) result = result >> 8 * i & 0x80 ? result | byte : result & ~byte;
  }
  return result;
}

inline uint32_t rotate_right(uint32_t word, int count) { return std::rotr(word, count); }

inline uint32_t mask_and_flip(uint32_t word, uint32_t mask, uint32_t bits) { return (word & mask) ^ bits; }

}  // namespace gesso::cuda
