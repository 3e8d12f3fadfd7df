// The frequencies of the rotary position embedding (RoPE). The op qk_norm_rope turns pair i of a head by the angle
// position * inv_freq[i].
#pragma once

#include <cstdint>
#include <vector>

namespace gesso::model {

// inv_freq[i] = theta^(-2i/K) / factors[i] for the K/2 pairs of a head of K dims, in float32. Sliding layers have no
// factors: nullptr means that each factor is 1. Full layers have factors [K/2], which GGUF stores as rope_freqs.
std::vector<float> inverse_frequencies(float theta, int64_t head_dim, const float* factors);

// The factors of a file without rope_freqs: 1 for the first quarter of the pairs, and 1e30 for the others, which
// therefore do not turn. Example: of the 256 pairs of a head of 512 dims, 64 turn.
std::vector<float> default_rope_factors(int64_t num_pairs);

}  // namespace gesso::model
