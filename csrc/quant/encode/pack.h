// Packs codes (one byte each) into the bit fields that several formats share.
#pragma once

#include <cstdint>

namespace gesso::quant {

// Writes bits 0 to 3 of 2 N codes: those of code j to the low nibble of byte j, those of code N + j to the high one.
template <int N>
void write_nibbles(const uint8_t* codes, uint8_t* bytes) {
  for (int j = 0; j < N; ++j) bytes[j] = static_cast<uint8_t>((codes[j] & 15) | codes[N + j] << 4);
}

// Writes bit 4 of 32 codes: that of code j becomes bit j of the 32 bits of `bytes`.
inline void write_bits_4(const uint8_t (&codes)[32], uint8_t (&bytes)[4]) {
  for (int j = 0; j < 4; ++j) {
    int byte = 0;
    for (int bit = 0; bit < 8; ++bit) byte |= (codes[8 * j + bit] >> 4 & 1) << bit;
    bytes[j] = static_cast<uint8_t>(byte);
  }
}

// Writes the bits `shift` and `shift` + 1 of 256 codes. `bytes` has two chunks of 32 bytes; byte l of chunk c gets the
// bits of code 128c + 32k + l in its bits 2k and 2k + 1.
inline void write_pairs(const uint8_t (&codes)[256], int shift, uint8_t (&bytes)[64]) {
  for (int j = 0; j < 64; ++j) {
    int byte = 0;
    for (int k = 0; k < 4; ++k) byte |= (codes[j / 32 * 128 + 32 * k + j % 32] >> shift & 3) << (2 * k);
    bytes[j] = static_cast<uint8_t>(byte);
  }
}

// Writes the bit `shift` of 256 codes: byte l gets that of code 32k + l in its bit k.
inline void write_bit_planes(const uint8_t (&codes)[256], int shift, uint8_t (&bytes)[32]) {
  for (int l = 0; l < 32; ++l) {
    int byte = 0;
    for (int k = 0; k < 8; ++k) byte |= (codes[32 * k + l] >> shift & 1) << k;
    bytes[l] = static_cast<uint8_t>(byte);
  }
}

}  // namespace gesso::quant
