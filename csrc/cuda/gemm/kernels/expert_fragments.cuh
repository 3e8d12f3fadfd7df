// The fragments of f16 that a warp of gemm_experts_wgmma_sm90a.cu makes of its 16 weight rows, and the powers of two
// that the rows are multiplied by.
//
// A row's power is found while the row is read. The first part of the row (decode/half_fragments.h) sets it, so that
// the largest factor or constant of a word lies between 2^13 and 2^14. If a later part would make one of 2^15 or more,
// the power becomes smaller, and what has been summed up is multiplied by the quotient of the two. This is rare. It
// depends on the row alone, and parts are the same in all tiles. So a result depends on its row of weights and its
// row of x alone.
//
// What a weight errs by: its factor and its constant are rounded to f16, each by at most 2^-11 of itself, and so is the
// weight. In units that are much smaller than the largest one so far an f16 is subnormal. Then it errs by at most
// 2^-25, where the factor of the largest unit is 2^-11 or more. So the error is at most 2^-14 of that factor. (Blocks
// of Q4_K and Q6_K count as if one of their units had the largest scale that can be stored.)
#pragma once

#include <bit>

#include "cuda/decode/half_fragments.h"
#include "cuda/decode/words.h"
#include "cuda/device/access.h"
#include "cuda/device/barrier.h"
#include "cuda/device/bf16.h"
#include "cuda/device/kernel.h"
#include "cuda/device/warp.h"
#include "cuda/device/wgmma.h"
#include "cuda/gemm/gemm_work.cuh"
#include "cuda/gemm/kernels/expert_tiles.cuh"

namespace gesso::cuda {

// A power of two, whose inverse is exact too. The inverse of 2^127 counts as 0.
__device__ inline float inverse_power(float power) {
  return std::bit_cast<float>((254u << 23) - std::bit_cast<uint32_t>(power));
}

template <typename Memory>
class ExpertFragments {
 public:
  using Fragments = typename Memory::Fragments;

  // `ring` is the warpgroup's, `words` the warp's.
  __device__ ExpertFragments(const GemmArguments& arguments, const TileWork& work, int thread, const uint8_t* ring,
                             uint8_t* words)
      : lane_(thread % kWarpSize), words_(words) {
    const int first = thread % kGemmThreads / kWarpSize * 16;
    const auto window = [&](int row) { return ring + Memory::Windows::place(row, arguments.row_bytes); };
    const auto begin = [&](int row) { return Memory::Windows::begin(weight_row(arguments, work, row)); };
    rows_ = window(first + lane_ / 4);
    lane_row_ = window(first + lane_ % 16);
    prepared_row_ = window(first + prepared_row());
    begins_[0] = begin(first + lane_ / 4);
    begins_[1] = begin(first + lane_ / 4 + 8);
    begins_[2] = begin(first + prepared_row());
  }

  // The sums of other rows begin.
  __device__ void start_rows() { power_ = kNoPower; }

  // Makes the words of the part that begins with a step of the span in a slot. From this step on the rows have `left`
  // columns. `sums` are those of the warp, if there are any yet. It must come behind a barrier.
  template <int kCount>
  __device__ void prepare(int slot, int step, int left, bool has_sums, float (&sums)[kCount]) {
    const uint8_t* span = prepared_row_ + slot * Memory::kRawSlotBytes + begins_[2];
    const auto header = Fragments::header(span, step, lane_ % 2, left);
    float magnitude = Fragments::magnitude(header);
    magnitude = fmaxf(magnitude, shuffle_xor(magnitude, 1));
    const bool is_too_large = !(magnitude * power_ < 0x1p15f);
    if (ballot(is_too_large) != 0) change_power(is_too_large ? magnitude : 0, has_sums, sums);
    uint32_t words[kHalfSteps * kStepWords];
    Fragments::words(header, power_, words);
#pragma unroll
    for (int s = 0; s < kHalfSteps; ++s) {
      // Lane l has the row g + 8i, g = l / 2 % 8. The words lie in the order of g, l % 2, i.
      const int place = 32 * s + lane_ / 2 % 8 * 4 + lane_ % 2 * 2 + prepared_row() / 8;
      store_words(words_ + kWordBytes * place, words + s * kStepWords);
    }
    sync_warp();
  }

  // Makes the fragments of a step of the span in a slot: a[k] is that of its columns 16k to 16k + 15.
  __device__ void decode(int slot, int step, uint32_t (&a)[4][4]) const {
    const int in_part = step % Fragments::kPartSteps;
    const int half = Fragments::kAlternates ? in_part % 2 : in_part / kHalfSteps;
    const int in_half = Fragments::kAlternates ? in_part / 2 : in_part % kHalfSteps;
    const uint8_t* source = words_ + kWordBytes * (32 * in_half + lane_ / 4 * 4 + 2 * half);
    RowWords<kStepWords> words;
#pragma unroll
    for (int i = 0; i < 2 * kStepWords; i += 4) load_piece(source + 4 * i, words + i);
    const int offset = slot * Memory::kRawSlotBytes;
    Fragments::codes(
        {{rows_ + offset + begins_[0], rows_ + offset + 8 * Memory::Windows::kPitch + begins_[1]}, lane_row_ + offset},
        step, words, a);
#pragma unroll
    for (int k = 0; k < 4; ++k) {
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const uint32_t word = words[j % 2 * kStepWords + 16 * k / Fragments::kUnitColumns];
        a[k][j] = fma_half(a[k][j], twice_low(word), twice_high(word));
      }
    }
  }

  // Takes the rows' powers, and the scales of the rows of x, out of the sums.
  template <int kCount>
  __device__ void unscale(float (&sums)[kCount], const float* row_scales) const {
    const float inverse = inverse_power(power_);
    const float of_rows[2] = {of_row(inverse, 0), of_row(inverse, 1)};
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      sums[i] = sums[i] * of_rows[i / 2 % 2] * row_scales[i / 4 * 8 + lane_ % 4 * 2 + i % 2];
    }
  }

  // What is decoded next is in the next span.
  __device__ void advance() {
    if constexpr (!Memory::Windows::kBeginsAlike) {
#pragma unroll
      for (int& begin : begins_) begin = (begin + Memory::Windows::kSpanBytes) % 16;
    }
  }

  // What is decoded next is in the first span of other rows. num_spans have been decoded.
  __device__ void rewind(int num_spans) {
    if constexpr (!Memory::Windows::kBeginsAlike) {
#pragma unroll
      for (int& begin : begins_) begin = (begin + num_spans * (16 - Memory::Windows::kSpanBytes % 16)) % 16;
    }
  }

 private:
  static constexpr int kStepWords = Fragments::kStepWords;
  static constexpr int kHalfSteps = Fragments::kPartSteps / 2;
  static constexpr int kWordBytes = 4 * kStepWords;  // of a row and a step
  static constexpr float kNoPower = 0x1p127f;        // the words of a row are 0 so far, or NaN

  // Two lanes prepare a row. The lanes that read and write at once have 8 rows that are in different banks: 8 rows are
  // not a multiple of the 128 bytes of all banks apart.
  __device__ int prepared_row() const {
    const int g = lane_ / 2 % 8;
    return g + 8 * (lane_ / 16 ^ g / kTurn % 2);
  }
  static constexpr int kTurn = kStepWords == 2 ? 4 : 2;

  // A value of row g + 8i, of lanes that prepare rows.
  __device__ float of_row(float value, int i) const {
    const int g = lane_ / 4;
    return shuffle(value, 16 * (i ^ g / kTurn % 2) + 2 * g);
  }

  // The lanes with a magnitude have to choose a smaller power. They keep theirs if the magnitude is not finite.
  template <int kCount>
  __device__ void change_power(float magnitude, bool has_sums, float (&sums)[kCount]) {
    const uint32_t bits = std::bit_cast<uint32_t>(magnitude);
    const float old = power_;
    if (bits > 0 && bits < 0x7f800000u) power_ = std::bit_cast<float>((2 * 127 + 13 - (bits >> 23)) << 23);
    if (!has_sums) return;
    const float quotient = power_ * inverse_power(old);
    const float of_rows[2] = {of_row(quotient, 0), of_row(quotient, 1)};
    wgmma_finish(sums);
#pragma unroll
    for (int i = 0; i < kCount; ++i) sums[i] *= of_rows[i / 2 % 2];
  }

  __device__ static void store_words(uint8_t* target, const uint32_t* words) {
    if constexpr (kStepWords == 2) {
      store_to(target, make_uint2(words[0], words[1]));
    } else {
      store_to(target, make_uint4(words[0], words[1], words[2], words[3]));
    }
  }

  int lane_;
  uint8_t* words_;
  const uint8_t* rows_;          // the window of row lane / 4 in slot 0; that of the row 8 further on lies behind it
  const uint8_t* lane_row_;      // of row lane % 16
  const uint8_t* prepared_row_;  // of the row that the lane prepares
  int begins_[3];                // where the spans of the rows lane / 4, lane / 4 + 8 and prepared_row() begin
  float power_ = kNoPower;       // of prepared_row()
};

}  // namespace gesso::cuda
