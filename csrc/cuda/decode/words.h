// Reads words from shared memory at any address, and looks up values of four bits in a table of bytes.
#pragma once

#include "cuda/device/access.h"
#include "cuda/device/bytes.h"
#include "cuda/device/kernel.h"

namespace gesso::cuda {

// Loads kCount words from an address that is a multiple of kAlignment. Below 4, it reads aligned words and makes each
// result from two of them. The last word that it reads may lie wholly behind the bytes asked for.
template <int kAlignment, int kCount>
__device__ inline void load_words(const uint8_t* bytes, uint32_t (&words)[kCount]) {
  if constexpr (kAlignment >= 16 && kCount % 4 == 0) {
#pragma unroll
    for (int i = 0; i < kCount; i += 4) {
      const uint4 four = load_from<uint4>(bytes + 4 * i);
      words[i] = four.x;
      words[i + 1] = four.y;
      words[i + 2] = four.z;
      words[i + 3] = four.w;
    }
  } else if constexpr (kAlignment >= 4) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) words[i] = load_from<uint32_t>(bytes + 4 * i);
  } else {
    const uint32_t offset = reinterpret_cast<uintptr_t>(bytes) % 4;
    const uint8_t* aligned = bytes - offset;
    const uint32_t selector = 0x3210 + 0x1111 * offset;
    uint32_t low = load_from<uint32_t>(aligned);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const uint32_t high = load_from<uint32_t>(aligned + 4 * (i + 1));
      words[i] = permute_bytes(low, high, selector);
      low = high;
    }
  }
}

// A half precision number at an even address.
__device__ inline uint16_t load_half_word(const uint8_t* bytes) { return load_from<uint16_t>(bytes); }

// The low nibbles, or the high ones, of four bytes: one in each byte of the result.
__device__ inline uint32_t low_nibbles(uint32_t word) { return word & 0x0f0f0f0fu; }
__device__ inline uint32_t high_nibbles(uint32_t word) { return word >> 4 & 0x0f0f0f0fu; }

// Sixteen bytes, four in a word.
struct ByteTable {
  uint32_t words[4];
};

// The bytes of the table at the places that the four lowest nibbles of `nibbles` give.
__device__ inline uint32_t look_up_four(const ByteTable& table, uint32_t nibbles) {
  const uint32_t places = nibbles & 0x7777u;
  const uint32_t first = permute_bytes(table.words[0], table.words[1], places);
  const uint32_t second = permute_bytes(table.words[2], table.words[3], places);
  return permute_bytes(first, second, 0x3210u | (nibbles & 0x8888u) >> 1);
}

// The bytes of the table at the places that the low nibbles of four bytes give, and those for the high nibbles.
__device__ inline void look_up(const ByteTable& table, uint32_t word, uint32_t& low, uint32_t& high) {
  const uint32_t first = look_up_four(table, word), second = look_up_four(table, word >> 16);
  low = permute_bytes(first, second, 0x6420);
  high = permute_bytes(first, second, 0x7531);
}

// Moves bit i of `bits`, for i = 0 to 3, to bit 4 of byte i.
__device__ inline uint32_t spread_bit_4(uint32_t bits) { return (bits & 15) * 0x02040810u & 0x10101010u; }

}  // namespace gesso::cuda
