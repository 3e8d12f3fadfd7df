// 16 bytes at a time, for taking stored blocks apart. Written with vector types, because compilers do not find these
// instructions in loops; it compiles for every machine.
#pragma once

#include <cstdint>
#include <cstring>

namespace gesso::quant {

typedef uint8_t Bytes16 __attribute__((vector_size(16)));

inline Bytes16 load_bytes(const uint8_t* bytes) {
  Bytes16 v;
  std::memcpy(&v, bytes, sizeof(v));
  return v;
}

// As many of `words` as there are.
inline Bytes16 bytes_of(const uint32_t (&words)[4]) {
  Bytes16 v;
  std::memcpy(&v, words, sizeof(v));
  return v;
}

inline Bytes16 high_half(Bytes16 v) {
  return __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15);
}

inline void store_bytes(Bytes16 v, uint8_t* bytes) { std::memcpy(bytes, &v, sizeof(v)); }

// 16 bytes of two numbers of 4 bits each: the low ones first, then the high ones.
inline void split_nibbles(const uint8_t* bytes, uint8_t* __restrict levels) {
  store_bytes(load_bytes(bytes) & 15, levels);
  store_bytes(load_bytes(bytes) >> 4, levels + 16);
}

// 255 where bit j of two little endian bytes is set, else 0.
inline Bytes16 spread_bits(const uint8_t* bits) {
  typedef uint16_t Words8 __attribute__((vector_size(16)));
  uint16_t pair;
  std::memcpy(&pair, bits, sizeof(pair));
  const Bytes16 pairs = reinterpret_cast<Bytes16>(Words8{} + pair);
  const Bytes16 spread = __builtin_shufflevector(pairs, pairs, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
  constexpr Bytes16 kBits = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  return reinterpret_cast<Bytes16>((spread & kBits) == kBits);
}

// Numbers of 5 bits: the low four as in split_nibbles, the fifth in bit j of the four bytes `high`.
inline void split_nibbles_and_bits(const uint8_t* bytes, const uint8_t* high, uint8_t* __restrict levels) {
  store_bytes((load_bytes(bytes) & 15) | (spread_bits(high) & 16), levels);
  store_bytes((load_bytes(bytes) >> 4) | (spread_bits(high + 2) & 16), levels + 16);
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

// out[j] = factor * (bytes[j] - offset)
template <int kCount>
inline void scale_bytes(Bytes16 bytes, int offset, float factor, float* __restrict out) {
  typedef int32_t Ints4 __attribute__((vector_size(16)));
  typedef float Floats4 __attribute__((vector_size(16)));
  const Bytes16 zero = {};
  const Bytes16 pairs[2] = {
      __builtin_shufflevector(bytes, zero, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23),
      __builtin_shufflevector(bytes, zero, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)};
  for (int i = 0; i < kCount / 4; ++i) {
    const Bytes16 pair = pairs[i / 2];
    const Bytes16 quad =
        i % 2 ? __builtin_shufflevector(pair, zero, 8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31)
              : __builtin_shufflevector(pair, zero, 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23);
    const Floats4 scaled = factor * __builtin_convertvector(reinterpret_cast<Ints4>(quad) - offset, Floats4);
    std::memcpy(out + 4 * i, &scaled, sizeof(scaled));
  }
}

}  // namespace gesso::quant
