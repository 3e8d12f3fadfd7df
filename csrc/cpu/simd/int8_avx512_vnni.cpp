// AVX-512 with VNNI: Ice Lake, Zen 4 and later. One vpdpbusd multiplies 4 columns of 16 outputs, and a tile of 32
// outputs times up to 6 rows keeps 12 such sums and their 12 floats in registers: for 8 of them (32 columns) one
// conversion, one multiplication and one fused multiply-add. Bound by vpdpbusd, one per cycle.
#include "cpu/simd/int8_kernels.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "cpu/simd/int8_dispatch.h"

#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // in the intrinsics' header: GCC bug 105593
#endif
#define GESSO_AVX512_VNNI __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma")))

namespace gesso::cpu {
namespace {

constexpr int kVectors = kTileOutputs / 16;
constexpr int kMaxRows = 6;

// The rows of x that are multiplied at once.
struct RowBlock {
  const int8_t* values[kMaxRows];
  const float* scales[kMaxRows];
  const int32_t* offsets[kMaxRows];
  const float* sums[kMaxRows];
  float* out[kMaxRows];
};

// Four columns of a row, for all outputs. (Its own instruction: folded into vpdpbusd it would be loaded twice.)
GESSO_AVX512_VNNI inline __m512i broadcast_columns(const int8_t* values) {
  int32_t columns;
  std::memcpy(&columns, values, sizeof(columns));
  __m512i all = _mm512_set1_epi32(columns);
  asm("" : "+v"(all));
  return all;
}

// The sums of one group's integer products, for R rows.
template <int R, int kGroup, bool kHasMin>
GESSO_AVX512_VNNI inline void multiply_group(const uint8_t* levels, const RowBlock& block, int64_t group,
                                             __m512i (&dots)[R][kVectors]) {
  for (int r = 0; r < R; ++r) {
    const __m512i start = kHasMin ? _mm512_setzero_si512() : _mm512_set1_epi32(block.offsets[r][group]);
    for (int v = 0; v < kVectors; ++v) dots[r][v] = start;
  }
#pragma GCC unroll 8
  for (int q = 0; q < kGroup / 4; ++q) {
    __m512i weights[kVectors];
    for (int v = 0; v < kVectors; ++v) weights[v] = _mm512_load_si512(levels + 64 * (kVectors * q + v));
    for (int r = 0; r < R; ++r) {
      const __m512i x = broadcast_columns(block.values[r] + group * kGroup + 4 * q);
      for (int v = 0; v < kVectors; ++v) dots[r][v] = _mm512_dpbusd_epi32(dots[r][v], weights[v], x);
    }
  }
}

// R rows times the tile.
template <int R, int kGroup, bool kHasMin>
GESSO_AVX512_VNNI void multiply_block(const Int8Tile& tile, const RowBlock& block, float scale) {
  constexpr int kGroups = kInt8Block / kGroup;
  for (int r = 0; r < R; ++r) {  // written at the end: a store that misses the cache would hold up the next block
    for (int v = 0; v < kVectors; ++v) __builtin_prefetch(block.out[r] + 16 * v, 1);
  }
  __m512 sums[R][kVectors] = {};
  for (int64_t b = 0; b < tile.columns / kInt8Block; ++b) {
    __m512 block_sums[R][kVectors];
#pragma GCC unroll 2
    for (int i = 0; i < kGroups; ++i) {
      const int64_t g = b * kGroups + i;
      __m512i dots[R][kVectors];
      multiply_group<R, kGroup, kHasMin>(tile.levels + g * kGroup * kTileOutputs, block, g, dots);
      for (int v = 0; v < kVectors; ++v) {
        const __m512 weight_scale = _mm512_load_ps(tile.scales + g * kTileOutputs + 16 * v);
        for (int r = 0; r < R; ++r) {
          const __m512 dot = _mm512_cvtepi32_ps(dots[r][v]);
          block_sums[r][v] =
              i == 0 ? _mm512_mul_ps(dot, weight_scale) : _mm512_fmadd_ps(dot, weight_scale, block_sums[r][v]);
        }
        if constexpr (kHasMin) {
          const __m512 min = _mm512_load_ps(tile.mins + g * kTileOutputs + 16 * v);
          for (int r = 0; r < R; ++r) {
            block_sums[r][v] = _mm512_fnmadd_ps(min, _mm512_set1_ps(block.sums[r][g]), block_sums[r][v]);
          }
        }
      }
    }
    for (int r = 0; r < R; ++r) {
      const __m512 x_scale = _mm512_set1_ps(block.scales[r][b]);
      for (int v = 0; v < kVectors; ++v) sums[r][v] = _mm512_fmadd_ps(block_sums[r][v], x_scale, sums[r][v]);
    }
  }
  const auto present = static_cast<uint32_t>((uint64_t{1} << tile.num_outputs) - 1);
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < kVectors; ++v) {
      _mm512_mask_storeu_ps(block.out[r] + 16 * v, static_cast<__mmask16>(present >> 16 * v),
                            _mm512_mul_ps(sums[r][v], _mm512_set1_ps(scale)));
    }
  }
}

// R is known at compile time, so that the sums are registers.
template <int R, int kGroup, bool kHasMin>
void multiply_rows(const Int8Tile& tile, const RowBlock& block, int num_rows, float scale) {
  if (num_rows == R) return multiply_block<R, kGroup, kHasMin>(tile, block, scale);
  if constexpr (R > 1) multiply_rows<R - 1, kGroup, kHasMin>(tile, block, num_rows, scale);
}

void multiply_rows(const Int8Tile& tile, const RowBlock& block, int num_rows, float scale) {
  const bool has_min = tile.mins != nullptr;
  if (tile.integers.group == 32) {
    return has_min ? multiply_rows<kMaxRows, 32, true>(tile, block, num_rows, scale)
                   : multiply_rows<kMaxRows, 32, false>(tile, block, num_rows, scale);
  }
  return has_min ? multiply_rows<kMaxRows, 16, true>(tile, block, num_rows, scale)
                 : multiply_rows<kMaxRows, 16, false>(tile, block, num_rows, scale);
}

void multiply(const Int8Tile& tile, const Int8Rows& x, const int32_t* rows, int64_t num_rows, float scale, Matrix out) {
  // In blocks of about the same size: 7 rows are 4 + 3, not 6 + 1.
  int64_t num_blocks = (num_rows + kMaxRows - 1) / kMaxRows;
  for (int64_t first = 0; first < num_rows; --num_blocks) {
    const int count = static_cast<int>((num_rows - first + num_blocks - 1) / num_blocks);
    RowBlock block;
    for (int r = 0; r < count; ++r) {
      const int64_t row = rows ? rows[first + r] : first + r;
      block.values[r] = x.values_of(row);
      block.scales[r] = x.scales_of(row);
      block.offsets[r] = x.offsets_of(row);
      block.sums[r] = x.sums_of(row);
      block.out[r] = out.row(first + r);
    }
    multiply_rows(tile, block, count, scale);
    first += count;
  }
}

// 32 columns of a row.
GESSO_AVX512_VNNI inline float round_block(const float* x, int8_t* values, __m128i (&rounded)[2]) {
  const __m512 low = _mm512_loadu_ps(x), high = _mm512_loadu_ps(x + 16);
  const float largest = _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(low), _mm512_abs_ps(high)));
  float scale = largest / 127;
  // A maximum passes over NaNs.
  if (_mm512_cmp_ps_mask(low, low, _CMP_UNORD_Q) | _mm512_cmp_ps_mask(high, high, _CMP_UNORD_Q))
    scale = __builtin_nanf("");
  const __m512 divisor = _mm512_set1_ps(scale > 0 ? scale : 1.0f);
  const __m512i lowest = _mm512_set1_epi32(-127);
  rounded[0] = _mm512_cvtsepi32_epi8(_mm512_max_epi32(_mm512_cvtps_epi32(_mm512_div_ps(low, divisor)), lowest));
  rounded[1] = _mm512_cvtsepi32_epi8(_mm512_max_epi32(_mm512_cvtps_epi32(_mm512_div_ps(high, divisor)), lowest));
  for (int i = 0; i < 2; ++i) _mm_storeu_si128(reinterpret_cast<__m128i*>(values + 16 * i), rounded[i]);
  return scale;
}

GESSO_AVX512_VNNI inline int32_t sum_bytes(__m128i bytes) {
  const __m128i ones = _mm_set1_epi8(1);
  const __m128i sums = _mm_dpbusd_epi32(_mm_setzero_si128(), ones, bytes);
  const __m128i pairs = _mm_add_epi32(sums, _mm_shuffle_epi32(sums, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(pairs, _mm_shuffle_epi32(pairs, 0xB1)));
}

GESSO_AVX512_VNNI void round_row(const float* x, int64_t columns, int group, int8_t* values, float* scales,
                                 int32_t* sums) {
  for (int64_t b = 0; b < columns / kInt8Block; ++b) {
    __m128i rounded[2];
    scales[b] = round_block(x + b * kInt8Block, values + b * kInt8Block, rounded);
    const int32_t low = sum_bytes(rounded[0]), high = sum_bytes(rounded[1]);
    if (group == kInt8Block) {
      sums[b] = low + high;
    } else {
      sums[2 * b] = low;
      sums[2 * b + 1] = high;
    }
  }
}

GESSO_AVX512_VNNI inline __m128i load_4_words(const uint32_t* words) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(words));
}

// Words 4 w .. 4 w + 3 of 16 rows: lane L of part j holds row 4 L + j, and a 4 x 4 transposition in each lane does it.
GESSO_AVX512_VNNI inline void transpose_4_words(const uint32_t* rows, int64_t stride, uint32_t* out) {
  __m512i part[4];
  for (int j = 0; j < 4; ++j) {
    part[j] = _mm512_castsi128_si512(load_4_words(rows + j * stride));
    part[j] = _mm512_inserti32x4(part[j], load_4_words(rows + (4 + j) * stride), 1);
    part[j] = _mm512_inserti32x4(part[j], load_4_words(rows + (8 + j) * stride), 2);
    part[j] = _mm512_inserti32x4(part[j], load_4_words(rows + (12 + j) * stride), 3);
  }
  const __m512i low_01 = _mm512_unpacklo_epi32(part[0], part[1]), high_01 = _mm512_unpackhi_epi32(part[0], part[1]);
  const __m512i low_23 = _mm512_unpacklo_epi32(part[2], part[3]), high_23 = _mm512_unpackhi_epi32(part[2], part[3]);
  _mm512_store_si512(out, _mm512_unpacklo_epi64(low_01, low_23));
  _mm512_store_si512(out + kTileOutputs, _mm512_unpackhi_epi64(low_01, low_23));
  _mm512_store_si512(out + 2 * kTileOutputs, _mm512_unpacklo_epi64(high_01, high_23));
  _mm512_store_si512(out + 3 * kTileOutputs, _mm512_unpackhi_epi64(high_01, high_23));
}

GESSO_AVX512_VNNI void transpose_words(const uint32_t* rows, int64_t stride, int64_t count, uint32_t* out) {
  for (int64_t word = 0; word < count; word += 4) {
    for (int v = 0; v < kVectors; ++v) {
      transpose_4_words(rows + 16 * v * stride + word, stride, out + word * kTileOutputs + 16 * v);
    }
  }
}

}  // namespace

const Int8Kernels* int8_avx512_vnni() {
  static constexpr Int8Kernels kKernels = {"avx512_vnni", multiply, round_row, transpose_words};
  const bool runs = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                    __builtin_cpu_supports("avx512vnni");
  return runs ? &kKernels : nullptr;
}

}  // namespace gesso::cpu

#else

#include "cpu/simd/int8_dispatch.h"

namespace gesso::cpu {
const Int8Kernels* int8_avx512_vnni() { return nullptr; }
}  // namespace gesso::cpu

#endif
