// Panel decoders for AVX-512. A register has 16 lanes of 32 bits, and lane n holds 4 bytes of row n.
#include "cpu/kernels/panel_decoders.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#include <cstring>

#include "cpu/products/int8_tile.h"
#include "quant/all_blocks.h"

#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // GCC warns about its own header of intrinsics (bug 105593)
#endif
#define GESSO_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define GESSO_AVX512_INLINE __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"), always_inline)) inline

namespace gesso::cpu {
namespace {

// The same place in 16 rows that lie one behind the other. The addresses of all rows are made from four pointers and
// two distances, so that these stay in registers.
struct Rows {
  const std::byte* quarter[4];    // rows 0, 4, 8 and 12
  int64_t stride, three_strides;  // in bytes

  GESSO_AVX512_INLINE Rows(const std::byte* first, int64_t row_bytes)
      : quarter{first, first + 4 * row_bytes, first + 8 * row_bytes, first + 12 * row_bytes},
        stride(row_bytes),
        three_strides(3 * row_bytes) {}

  GESSO_AVX512_INLINE Rows at(int64_t bytes) const {
    Rows moved = *this;
    for (const std::byte*& row : moved.quarter) row += bytes;
    return moved;
  }
  // The address of row 4 q + j.
  GESSO_AVX512_INLINE const std::byte* row(int q, int j) const {
    return quarter[q] + (j == 3 ? three_strides : j * stride);
  }
};

struct Words {
  __m512i word[4];
};

GESSO_AVX512_INLINE __m128i load_16_bytes(const std::byte* bytes) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
}

// Loads 16 bytes of each row as four words: word[w] has word w of row n in its lane n. First the 128-bit lane q of
// part[j] holds the bytes of row 4 q + j; then each of these lanes is transposed as a 4 x 4 matrix.
GESSO_AVX512_INLINE Words load_words(const Rows& rows) {
  __m512i part[4];
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    part[j] = _mm512_castsi128_si512(load_16_bytes(rows.row(0, j)));
    part[j] = _mm512_inserti32x4(part[j], load_16_bytes(rows.row(1, j)), 1);
    part[j] = _mm512_inserti32x4(part[j], load_16_bytes(rows.row(2, j)), 2);
    part[j] = _mm512_inserti32x4(part[j], load_16_bytes(rows.row(3, j)), 3);
  }
  const __m512i low_01 = _mm512_unpacklo_epi32(part[0], part[1]), high_01 = _mm512_unpackhi_epi32(part[0], part[1]);
  const __m512i low_23 = _mm512_unpacklo_epi32(part[2], part[3]), high_23 = _mm512_unpackhi_epi32(part[2], part[3]);
  return {{_mm512_unpacklo_epi64(low_01, low_23), _mm512_unpackhi_epi64(low_01, low_23),
           _mm512_unpacklo_epi64(high_01, high_23), _mm512_unpackhi_epi64(high_01, high_23)}};
}

// Loads the first 4 bytes of each row. This takes fewer shuffles than loading all four words.
GESSO_AVX512_INLINE __m512i load_first_word(const Rows& rows) {
  __m128i quarter[4];
  for (int q = 0; q < 4; ++q) {
    int32_t words[4];
    for (int j = 0; j < 4; ++j) std::memcpy(&words[j], rows.row(q, j), sizeof(int32_t));
    quarter[q] = _mm_setr_epi32(words[0], words[1], words[2], words[3]);
  }
  const __m256i low = _mm256_set_m128i(quarter[1], quarter[0]), high = _mm256_set_m128i(quarter[3], quarter[2]);
  return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

// Converts the half precision number in the low 16 bits of each lane.
GESSO_AVX512_INLINE __m512 halves_to_float(__m512i words) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(words)); }

GESSO_AVX512_INLINE __m512i and_bytes(__m512i words, int mask) {
  return _mm512_and_si512(words, _mm512_set1_epi8(static_cast<char>(mask)));
}
// (a & mask) | b
GESSO_AVX512_INLINE __m512i masked_or(__m512i a, int mask, __m512i b) {
  return _mm512_ternarylogic_epi64(a, _mm512_set1_epi8(static_cast<char>(mask)), b, 0xEA);
}
GESSO_AVX512_INLINE __m512i low_nibbles(__m512i words) { return and_bytes(words, 15); }
GESSO_AVX512_INLINE __m512i high_nibbles(__m512i words) { return and_bytes(_mm512_srli_epi16(words, 4), 15); }

// Where the decoded rows go: 16 of the 32 outputs of an Int8Tile.
struct Output {
  uint8_t* levels;
  float* scales;
  float* mins;

  // Stores the levels of the columns 4 quad .. 4 quad + 3.
  GESSO_AVX512_INLINE void store_levels(int64_t quad, __m512i words) const {
    _mm512_store_si512(levels + quad * kTileOutputs * 4, words);
  }
  GESSO_AVX512_INLINE void store_scales(int64_t group, __m512 values) const {
    _mm512_store_ps(scales + group * kTileOutputs, values);
  }
  GESSO_AVX512_INLINE void store_mins(int64_t group, __m512 values) const {
    _mm512_store_ps(mins + group * kTileOutputs, values);
  }
};

// Panel<Block>::decode decodes block number `index` of each of the 16 rows. `rows` points at these blocks.
template <typename Block>
struct Panel;

template <>
struct Panel<quant::BlockQ8_0> {
  GESSO_AVX512_INLINE static void decode(const Rows& rows, int64_t index, const Output& out) {
    for (int half = 0; half < 2; ++half) {
      const Words words = load_words(rows.at(2 + 16 * half));
      for (int w = 0; w < 4; ++w) {
        out.store_levels(8 * index + 4 * half + w, _mm512_xor_si512(words.word[w], _mm512_set1_epi8(-128)));
      }
    }
    out.store_scales(index, halves_to_float(load_first_word(rows)));
  }
};

template <>
struct Panel<quant::BlockQ4_0> {
  GESSO_AVX512_INLINE static void decode(const Rows& rows, int64_t index, const Output& out) {
    const Words words = load_words(rows.at(2));
    for (int w = 0; w < 4; ++w) {
      out.store_levels(8 * index + w, low_nibbles(words.word[w]));
      out.store_levels(8 * index + 4 + w, high_nibbles(words.word[w]));
    }
    out.store_scales(index, halves_to_float(load_first_word(rows)));
  }
};

// In each lane, bit 4 of byte j becomes the bit `first + j` of the same lane of `bits`, for j = 0..3. All other bits
// are 0.
GESSO_AVX512_INLINE __m512i spread_to_bit_4(__m512i bits, int first) {
  const __m512i byte = _mm512_shuffle_epi8(
      bits, _mm512_set4_epi32(0x0C0C0C0C + first / 8 * 0x01010101, 0x08080808 + first / 8 * 0x01010101,
                              0x04040404 + first / 8 * 0x01010101, first / 8 * 0x01010101));
  const __mmask64 set =
      _mm512_test_epi8_mask(byte, _mm512_set1_epi32(first % 8 == 0 ? 0x08040201 : static_cast<int>(0x80402010)));
  return _mm512_maskz_mov_epi8(set, _mm512_set1_epi8(16));
}

template <>
struct Panel<quant::BlockQ5_0> {
  GESSO_AVX512_INLINE static void decode(const Rows& rows, int64_t index, const Output& out) {
    const Words head = load_words(rows), words = load_words(rows.at(6));
    const __m512i bits = _mm512_or_si512(_mm512_srli_epi32(head.word[0], 16), _mm512_slli_epi32(head.word[1], 16));
#pragma GCC unroll 4
    for (int w = 0; w < 4; ++w) {
      const __m512i low = spread_to_bit_4(bits, 4 * w), high = spread_to_bit_4(bits, 16 + 4 * w);
      out.store_levels(8 * index + w, masked_or(words.word[w], 15, low));
      out.store_levels(8 * index + 4 + w, masked_or(_mm512_srli_epi16(words.word[w], 4), 15, high));
    }
    out.store_scales(index, halves_to_float(head.word[0]));
  }
};

// Decodes the 6-bit scales and minimums of Q4_K and Q5_K. Word 0 of a block has d and dmin, words 1 to 3 have the
// scales and minimums in the layout of q4_k.h.
GESSO_AVX512_INLINE void store_scales_and_mins(const Words& head, int64_t index, const Output& out) {
  const __m512 d = halves_to_float(head.word[0]), dmin = halves_to_float(_mm512_srli_epi32(head.word[0], 16));
  const __m512i six_bits = _mm512_set1_epi32(63), four_bits = _mm512_set1_epi32(15), high_bits = _mm512_set1_epi32(48);
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const __m512i scale = _mm512_srli_epi32(head.word[1], 8 * j), min = _mm512_srli_epi32(head.word[2], 8 * j);
    const __m512i rest = _mm512_srli_epi32(head.word[3], 8 * j);
    // Bits 6 and 7 of the bytes of the first four sub-blocks are bits 4 and 5 of the last four sub-blocks' numbers.
    const __m512i scale_4 =
        _mm512_or_si512(_mm512_and_si512(rest, four_bits), _mm512_and_si512(_mm512_srli_epi32(scale, 2), high_bits));
    const __m512i min_4 = _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi32(rest, 4), four_bits),
                                          _mm512_and_si512(_mm512_srli_epi32(min, 2), high_bits));
    const auto to_float = [](__m512i integers) GESSO_AVX512 { return _mm512_cvtepi32_ps(integers); };
    out.store_scales(8 * index + j, _mm512_mul_ps(d, to_float(_mm512_and_si512(scale, six_bits))));
    out.store_scales(8 * index + 4 + j, _mm512_mul_ps(d, to_float(scale_4)));
    out.store_mins(8 * index + j, _mm512_mul_ps(dmin, to_float(_mm512_and_si512(min, six_bits))));
    out.store_mins(8 * index + 4 + j, _mm512_mul_ps(dmin, to_float(min_4)));
  }
}

template <>
struct Panel<quant::BlockQ4_K> {
  GESSO_AVX512_INLINE static void decode(const Rows& rows, int64_t index, const Output& out) {
    store_scales_and_mins(load_words(rows), index, out);
    for (int unit = 0; unit < 8; ++unit) {  // a unit is 16 bytes, which hold 16 elements of each of two sub-blocks
      const Words words = load_words(rows.at(16 + 16 * unit));
      const int64_t quad = 64 * index + 16 * (unit / 2) + 4 * (unit % 2);
      for (int w = 0; w < 4; ++w) {
        out.store_levels(quad + w, low_nibbles(words.word[w]));
        out.store_levels(quad + 8 + w, high_nibbles(words.word[w]));
      }
    }
  }
};

template <>
struct Panel<quant::BlockQ5_K> {
  GESSO_AVX512_INLINE static void decode(const Rows& rows, int64_t index, const Output& out) {
    store_scales_and_mins(load_words(rows), index, out);
    for (int half = 0; half < 2; ++half) {
      Words bits = load_words(rows.at(16 + 16 * half));  // bit j of each byte belongs to sub-block j
#pragma GCC unroll 4
      for (int chunk = 0; chunk < 4; ++chunk) {
        const Words words = load_words(rows.at(48 + 32 * chunk + 16 * half));
        const int64_t quad = 64 * index + 16 * chunk + 4 * half;
        for (int w = 0; w < 4; ++w) {
          const __m512i low = and_bytes(_mm512_slli_epi16(bits.word[w], 4), 16);
          const __m512i high = and_bytes(_mm512_slli_epi16(bits.word[w], 3), 16);
          out.store_levels(quad + w, masked_or(words.word[w], 15, low));
          out.store_levels(quad + 8 + w, masked_or(_mm512_srli_epi16(words.word[w], 4), 15, high));
          bits.word[w] = _mm512_srli_epi16(bits.word[w], 2);
        }
      }
    }
  }
};

template <>
struct Panel<quant::BlockQ6_K> {
  GESSO_AVX512_INLINE static void decode(const Rows& rows, int64_t index, const Output& out) {
    store_scales(rows, index, out);
    for (int half = 0; half < 2; ++half) {
      for (int unit = 0; unit < 2; ++unit) {  // a half has four parts of 32 elements; a unit is 16 elements of each
        const Words low = load_words(rows.at(64 * half + 16 * unit));
        const Words high = load_words(rows.at(64 * half + 32 + 16 * unit));
        const Words bits = load_words(rows.at(128 + 32 * half + 16 * unit));
        const int64_t quad = 64 * index + 32 * half + 4 * unit;
        for (int w = 0; w < 4; ++w) store_quads(low.word[w], high.word[w], bits.word[w], quad + w, out);
      }
    }
  }

 private:
  // Stores the elements 32 k + l of a half, for four neighbouring l and k = 0..3.
  GESSO_AVX512_INLINE static void store_quads(__m512i low, __m512i high, __m512i bits, int64_t quad,
                                              const Output& out) {
    out.store_levels(quad, masked_or(low, 15, and_bytes(_mm512_slli_epi16(bits, 4), 48)));
    out.store_levels(quad + 8, masked_or(high, 15, and_bytes(_mm512_slli_epi16(bits, 2), 48)));
    out.store_levels(quad + 16, masked_or(_mm512_srli_epi16(low, 4), 15, and_bytes(bits, 48)));
    out.store_levels(quad + 24, masked_or(_mm512_srli_epi16(high, 4), 15, and_bytes(_mm512_srli_epi16(bits, 2), 48)));
  }

  GESSO_AVX512_INLINE static void store_scales(const Rows& rows, int64_t index, const Output& out) {
    // d is the last two bytes of the block. It is loaded with the 14 bytes before it, because the memory behind the
    // block may not be readable.
    const __m512 d = halves_to_float(_mm512_srli_epi32(load_words(rows.at(194)).word[3], 16));
    const Words scales = load_words(rows.at(192));
#pragma GCC unroll 16
    for (int j = 0; j < 16; ++j) {
      const __m512i scale = _mm512_srai_epi32(_mm512_slli_epi32(scales.word[j / 4], 24 - 8 * (j % 4)), 24);
      out.store_scales(16 * index + j, _mm512_mul_ps(d, _mm512_cvtepi32_ps(scale)));
    }
  }
};

template <typename Block>
GESSO_AVX512 void decode_panel(const std::byte* first, int64_t row_bytes, int64_t columns, uint8_t* levels,
                               float* scales, float* mins, FetchAhead& ahead) {
  const Output out = {levels, scales, mins};
  const Rows rows(first, row_bytes);
  for (int64_t index = 0; index < columns / Block::kNumElements; ++index) {
    Panel<Block>::decode(rows.at(index * static_cast<int64_t>(sizeof(Block))), index, out);
    ahead.advance(decode_work(kPanelRows * Block::kNumElements));
  }
}

// The formats that have a Panel. The others go row by row.
template <typename Block>
concept HasPanel = requires { &Panel<Block>::decode; };

template <typename Block>
DecodePanel find_if(DType dtype) {
  if constexpr (HasPanel<Block>) {
    if (dtype == Block::kDType) return decode_panel<Block>;
  }
  return nullptr;
}

template <typename... Blocks>
DecodePanel find_in(quant::BlockList<Blocks...>, DType dtype) {
  DecodePanel found = nullptr;
  static_cast<void>(((found = find_if<Blocks>(dtype)) || ...));
  return found;
}

bool runs_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

}  // namespace

DecodePanel find_panel_decoder(DType dtype) {
  static const bool kRuns = runs_avx512();
  if (!kRuns) return nullptr;
  return find_in(quant::AllBlocks{}, dtype);
}

}  // namespace gesso::cpu

#else

namespace gesso::cpu {
DecodePanel find_panel_decoder(DType) { return nullptr; }
}  // namespace gesso::cpu

#endif
