// Counter-based random numbers: a draw is a pure function of what it is for, so it is the same on every backend, in any
// thread order and in any batch.
// Generator: Philox4x32-10, Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "core/device_code.h"

namespace gesso {

// What a draw is for; part of its counter.
enum class Draw : uint32_t {
  kInitialCanvas = 0,  // the uniform ids a canvas starts from
  kRenoise = 1,        // the uniform id of a position that was not accepted
  kSample = 2,         // the Gumbel noise that turns argmax into a draw from softmax(z)
};

// Names one position of one sequence at one denoising step. The absolute position stands for (canvas, position in it):
// a continued session then draws what one uninterrupted generation would have drawn.
struct DrawKey {
  uint64_t seed = 0;     // of the sequence, not of the batch
  int64_t position = 0;  // absolute, 0 is the first prompt token
  int32_t step = 0;      // 0 is a canvas' first denoising step
};

// Four independent uniform 32-bit words.
GESSO_DEVICE inline std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, uint64_t key) {
  constexpr uint64_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;  // the paper's constants
  constexpr uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
  uint32_t key0 = static_cast<uint32_t>(key), key1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = kMultiplier0 * counter[0], product1 = kMultiplier1 * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key0, static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key1, static_cast<uint32_t>(product0)};
    key0 += kWeyl0;
    key1 += kWeyl1;
  }
  return counter;
}

// The four words of group `index` (for kSample: of the tokens 4 * index .. 4 * index + 3).
GESSO_DEVICE inline std::array<uint32_t, 4> draw_words(const DrawKey& key, Draw draw, uint32_t index) {
  return philox({index, static_cast<uint32_t>(key.position), static_cast<uint32_t>(key.step),
                 static_cast<uint32_t>(draw) << 16 | static_cast<uint32_t>(key.position >> 32)},
                key.seed);
}

// Uniform in [0, vocab_size) by multiply and shift; the bias is below vocab_size / 2^32.
GESSO_DEVICE inline int32_t uniform_id(const DrawKey& key, Draw draw, int64_t vocab_size) {
  return static_cast<int32_t>((static_cast<uint64_t>(draw_words(key, draw, 0)[0]) * vocab_size) >> 32);
}

// Standard Gumbel noise, -ln(-ln u), from 24 bits so that u is exact in float32 and never 0 or 1.
GESSO_DEVICE inline float gumbel(uint32_t word) {
  const uint32_t part = word >> 8;
  const bool is_lower = part < 1u << 23;  // the upper half is measured from 1, where u itself needs more than 24 bits
  const float rest = (static_cast<float>(is_lower ? part : 0xFFFFFF - part) + 0.5f) * 0x1p-24f;
  return -std::log(is_lower ? -std::log(rest) : -std::log1p(-rest));
}
// No gumbel() exceeds this: -ln(-ln(1 - 2^-25)) = 17.33, rounded up.
constexpr float kMaxGumbel = 17.4f;
// And none is below this: -ln(-ln(2^-25)) = -2.8524, rounded down.
constexpr float kMinGumbel = -2.9f;

}  // namespace gesso
