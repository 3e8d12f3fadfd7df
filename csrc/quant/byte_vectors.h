// Bytes by the dozen, for taking stored blocks apart. Written with vector types, because compilers do not find these
// instructions in loops; they compile for every machine.
#pragma once

#include <cstdint>
#include <cstring>

namespace gesso::quant {

typedef uint8_t Bytes16 __attribute__((vector_size(16)));
typedef uint8_t Bytes32 __attribute__((vector_size(32)));

inline Bytes16 load_16(const void* bytes) {
  Bytes16 v;
  std::memcpy(&v, bytes, sizeof(v));
  return v;
}

inline Bytes32 load_32(const void* bytes) {
  Bytes32 v;
  std::memcpy(&v, bytes, sizeof(v));
  return v;
}

template <typename V, typename T>
inline void store(V v, T* out) {
  std::memcpy(out, &v, sizeof(v));
}

// Moves the bits of each byte up by `by`, or down if it is negative.
inline Bytes32 shift(Bytes32 v, int by) { return by >= 0 ? v << by : v >> -by; }

// 16 bytes of two numbers of 4 bits each: the low ones first, then the high ones.
inline Bytes32 split_nibbles(const uint8_t* bytes) {
  typedef uint32_t Words8 __attribute__((vector_size(32)));
  const Bytes16 v = load_16(bytes);
  const Bytes32 twice = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3,
                                                4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
  constexpr Words8 kShifts = {0, 0, 0, 0, 4, 4, 4, 4};
  return reinterpret_cast<Bytes32>(reinterpret_cast<Words8>(twice) >> kShifts) & 15;
}

// 255 where bit j of `bits` is set, else 0.
inline Bytes32 spread_bits(uint32_t bits) {
  typedef uint32_t Words8 __attribute__((vector_size(32)));
  const Bytes32 copies = reinterpret_cast<Bytes32>(Words8{} + bits);
  // Where all words are equal, byte 18 is byte 2: but like this no byte leaves its half.
  const Bytes32 spread = __builtin_shufflevector(copies, copies, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 18, 18,
                                                 18, 18, 18, 18, 18, 18, 19, 19, 19, 19, 19, 19, 19, 19);
  constexpr Bytes32 kBits = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128,
                             1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  return reinterpret_cast<Bytes32>((spread & kBits) == kBits);
}

// table[codes[j]] for codes of 4 bits.
inline Bytes16 look_up(Bytes16 table, Bytes16 codes) {
#ifdef __clang__
  Bytes16 found;
  for (int j = 0; j < 16; ++j) found[j] = table[codes[j]];
  return found;
#else
  return __builtin_shuffle(table, codes);
#endif
}

typedef float Floats16 __attribute__((vector_size(64)));

// bytes[j] - offset. In two steps: compilers have no good answer to one from bytes to words.
inline Floats16 to_floats(Bytes16 bytes, int offset) {
  typedef int16_t Shorts16 __attribute__((vector_size(32)));
  typedef int32_t Ints16 __attribute__((vector_size(64)));
  const Ints16 words = __builtin_convertvector(__builtin_convertvector(bytes, Shorts16), Ints16) - offset;
  return __builtin_convertvector(words, Floats16);
}

}  // namespace gesso::quant
