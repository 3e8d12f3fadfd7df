// Operations on the bits and bytes of a register.
#pragma once

#include "cuda/device/kernel.h"

namespace gesso::cuda {

// Picks four of the eight bytes of `low` (bytes 0 to 3) and `high` (bytes 4 to 7). Nibble i of the selector is the
// number of the byte that becomes byte i of the result. Bit 3 of each nibble must be 0. For example, the selector
// 0x7531 picks the odd bytes.
__device__ inline uint32_t permute_bytes(uint32_t low, uint32_t high, uint32_t selector) {
  return __byte_perm(low, high, selector);
}

// The same with a selector that is computed. (For such a selector __byte_perm takes an instruction more, which clears
// bit 3 of each nibble.)
__device__ inline uint32_t select_bytes(uint32_t low, uint32_t high, uint32_t selector) {
  uint32_t result;
  asm("prmt.b32 %0, %1, %2, %3;" : "=r"(result) : "r"(low), "r"(high), "r"(selector));
  return result;
}

// Moves the bits of a word down by `count` modulo 32. Those that fall out come back at the top.
__device__ inline uint32_t rotate_right(uint32_t word, int count) { return __funnelshift_r(word, word, count); }

// (word & mask) ^ bits in one instruction. The compiler would take two where both `mask` and `bits` are constants.
__device__ inline uint32_t mask_and_flip(uint32_t word, uint32_t mask, uint32_t bits) {
  uint32_t result;
  asm("lop3.b32 %0, %1, %2, %3, 0x6a;" : "=r"(result) : "r"(word), "r"(mask), "r"(bits));
  return result;
}

}  // namespace gesso::cuda
