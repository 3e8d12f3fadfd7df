// Counter-based random numbers. A draw is a pure function of its key (seed, position, step, purpose). So it is the same
// on every backend, in any order of threads and in any batch.
// Generator: Philox4x32-10, Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>

#include "core/device_code.h"

namespace gesso {

// The purpose of a draw. It is a part of the generator's counter, so that draws for different purposes are independent.
enum class Draw : uint32_t {
  kInitialCanvas = 0,  // the uniform random ids that a canvas starts from
  kRenoise = 1,        // the uniform random id for a position that was not accepted
  kSample = 2,         // Gumbel noise, one number per token: argmax(z + noise) is a draw from softmax(z)
};

// Names one position of one sequence at one denoising step. The position is counted from the start of the sequence, not
// from the start of a canvas. So a session that is continued draws what one uninterrupted generation would have drawn.
struct DrawKey {
  uint64_t seed = 0;     // each sequence of a batch has its own
  int64_t position = 0;  // in the sequence; 0 is the first prompt token
  int32_t step = 0;      // of the canvas; 0 is its first denoising step
};

// Returns four independent uniform 32-bit words.
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

// Four random words. `index` numbers the groups of four that one key and purpose need. For kSample, group `index` has
// one word for each of the tokens 4 * index .. 4 * index + 3.
GESSO_DEVICE inline std::array<uint32_t, 4> draw_words(const DrawKey& key, Draw draw, uint32_t index) {
  return philox({index, static_cast<uint32_t>(key.position), static_cast<uint32_t>(key.step),
                 static_cast<uint32_t>(draw) << 16 | static_cast<uint32_t>(key.position >> 32)},
                key.seed);
}

// A random id, uniform in [0, vocab_size): word * vocab_size / 2^32, rounded down. The relative error of an id's
// probability is below vocab_size / 2^32, which is 0.00006 for 250,000 tokens.
GESSO_DEVICE inline int32_t uniform_id(const DrawKey& key, Draw draw, int64_t vocab_size) {
  return static_cast<int32_t>((static_cast<uint64_t>(draw_words(key, draw, 0)[0]) * vocab_size) >> 32);
}

// Standard Gumbel noise, -ln(-ln u), where u = (part + 0.5) / 2^24 and `part` is the upper 24 bits of the word. So u is
// never 0 or 1.
GESSO_DEVICE inline float gumbel(uint32_t word) {
  const uint32_t part = word >> 8;
  // In the lower half, rest = u. In the upper half, rest = 1 - u, because u itself would need 25 bits there and float32
  // has 24. So `rest` is always exact.
  const bool is_lower = part < 1u << 23;
  const float rest = (static_cast<float>(is_lower ? part : 0xFFFFFF - part) + 0.5f) * 0x1p-24f;
  return -std::log(is_lower ? -std::log(rest) : -std::log1p(-rest));
}
// gumbel() never exceeds this. Its largest value is -ln(-ln(1 - 2^-25)) = 17.33.
constexpr float kMaxGumbel = 17.4f;
// gumbel() is never below this. Its smallest value is -ln(-ln(2^-25)) = -2.8524.
constexpr float kMinGumbel = -2.9f;

}  // namespace gesso
