// Vectors of 16 and 32 bytes, with which stored blocks are taken apart. They use the compiler's vector types, which
// compile for every machine. Loops over bytes would be slower, because compilers do not vectorise them.
#pragma once

#include <cstdint>
#include <cstring>

namespace gesso::quant {

typedef uint8_t Bytes16 __attribute__((vector_size(16)));

inline Bytes16 load_16(const void* bytes) {
  Bytes16 v;
  std::memcpy(&v, bytes, sizeof(v));
  return v;
}

template <typename V>
inline void store(V v, void* out) {
  std::memcpy(out, &v, sizeof(v));
}

// Two registers of 16 bytes. A vector type of 32 bytes would be slow on machines with registers of 16: GCC splits its
// operations there into single bytes.
struct Bytes32 {
  Bytes16 low, high;
};

inline Bytes32 operator&(Bytes32 a, uint8_t b) { return {a.low & b, a.high & b}; }
inline Bytes32 operator^(Bytes32 a, uint8_t b) { return {a.low ^ b, a.high ^ b}; }
inline Bytes32 operator|(Bytes32 a, Bytes32 b) { return {a.low | b.low, a.high | b.high}; }
inline Bytes32 operator<<(Bytes32 a, int by) { return {a.low << by, a.high << by}; }
inline Bytes32 operator>>(Bytes32 a, int by) { return {a.low >> by, a.high >> by}; }

inline Bytes32 load_32(const uint8_t* bytes) { return {load_16(bytes), load_16(bytes + 16)}; }
inline void store(Bytes32 v, uint8_t* out) {
  store(v.low, out);
  store(v.high, out + 16);
}

// Splits 16 bytes into 32 numbers of 4 bits: first the low halves of the 16 bytes, then the high halves.
inline Bytes32 split_nibbles(const uint8_t* bytes) {
  const Bytes16 v = load_16(bytes);
  return {v & 15, v >> 4};
}

// Byte j is 255 where bit j of `bits` is set, else 0.
inline Bytes32 spread_bits(uint32_t bits) {
  typedef uint32_t Words4 __attribute__((vector_size(16)));
  const Bytes16 copies = reinterpret_cast<Bytes16>(Words4{} + bits);
  const Bytes16 low = __builtin_shufflevector(copies, copies, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
  const Bytes16 high = __builtin_shufflevector(copies, copies, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
  constexpr Bytes16 kBits = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
  return {reinterpret_cast<Bytes16>((low & kBits) == kBits), reinterpret_cast<Bytes16>((high & kBits) == kBits)};
}

// Shifts the bits of each byte left by `by`, or right by -by if `by` is negative.
inline Bytes32 shift(Bytes32 v, int by) { return by >= 0 ? v << by : v >> -by; }

// Byte j is table[codes[j]]. The codes must be below 16.
inline Bytes16 look_up(Bytes16 table, Bytes16 codes) {
#ifdef __clang__
  Bytes16 found;
  for (int j = 0; j < 16; ++j) found[j] = table[codes[j]];
  return found;
#else
  return __builtin_shuffle(table, codes);
#endif
}

// out[j] = factor * (bytes[kFirst + j] - offset) for j = 0..7; kFirst is 0 or 8.
template <int kFirst>
inline void scale_8_bytes(Bytes16 bytes, int offset, float factor, float* __restrict out) {
  typedef int32_t Ints4 __attribute__((vector_size(16)));
  typedef float Floats4 __attribute__((vector_size(16)));
  constexpr Bytes16 kZero = {};
  constexpr int F = kFirst;
  // A zero is put behind each byte, then two behind each pair, which makes 32-bit integers. Every machine has these
  // shuffles; __builtin_convertvector from bytes may convert them one by one.
  const Bytes16 shorts = __builtin_shufflevector(bytes, kZero, F, F + 16, F + 1, F + 17, F + 2, F + 18, F + 3, F + 19,
                                                 F + 4, F + 20, F + 5, F + 21, F + 6, F + 22, F + 7, F + 23);
  const Bytes16 words[2] = {
      __builtin_shufflevector(shorts, kZero, 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23),
      __builtin_shufflevector(shorts, kZero, 8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31)};
  for (int i = 0; i < 2; ++i) {
    store(factor * __builtin_convertvector(reinterpret_cast<Ints4>(words[i]) - offset, Floats4), out + 4 * i);
  }
}

inline void scale_bytes(Bytes16 bytes, int offset, float factor, float* __restrict out) {
  scale_8_bytes<0>(bytes, offset, factor, out);
  scale_8_bytes<8>(bytes, offset, factor, out + 8);
}

}  // namespace gesso::quant
