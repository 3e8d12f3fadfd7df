#include "cpu/vocabulary/row_progress.h"

#include <algorithm>
#include <array>
#include <limits>

#include "cpu/vocabulary/token_weights.h"

namespace gesso::cpu {
namespace {

// The row's largest z has become `argmax`. This function makes the sums so far relative to the new m. When the row had
// no value above -inf before, the factor is 0; a sum that is NaN stays NaN with it.
void raise_max(RowProgress& row, Candidate argmax) {
  const double rise = static_cast<double>(argmax.value) - row.argmax.value;
  row.factor = std::exp(-rise);
  row.argmax = argmax;
  row.rest = row.factor * row.sum();  // the former argmax is a part of the rest now
  row.weighted = row.factor * row.weighted - (row.factor > 0 ? rise * row.rest : 0);
  row.left_out *= row.factor;
  row.threshold *= static_cast<float>(row.factor);
}

// Tells which tokens may have the largest z + noise, without computing a logarithm. With u = 1 - r, the noise is
// -ln(-ln(1 - r)) <= -ln r. So z + noise can exceed `best` only if r <= e^(z - best). Few tokens pass this test; for
// these the noise is computed.
class DrawFilter {
 public:
  explicit DrawFilter(const RowProgress& row) : max_(row.argmax.value) { raise(row.draw.value); }

  void raise(float best) {
    limit_ = std::max(best, max_ + kMinGumbel) - kMaxGumbel;  // the argmax reaches at least max_ + kMinGumbel
    const float rounding = 0x1p-10f + 0x1p-21f * (std::abs(max_) + 40);
    scale_ = std::exp(max_ - best + rounding);
  }
  // Whether z can exceed the best value with the largest possible noise.
  bool is_near(float z) const { return z >= limit_; }
  // Whether a token can exceed the best value with the noise that `word` gives. Its weight is p = e^(z - max).
  bool may_win(float p, uint32_t word) const {
    const float r = (static_cast<float>(0xFFFFFF - (word >> 8)) + 0.5f) * 0x1p-24f;
    return r <= p * scale_;
  }

 private:
  float max_, limit_, scale_;
};

// Draws among up to four tokens, first + begin .. first + end - 1, which share the words of a draw.
void draw_group(const float* z, const float* p, int64_t begin, int64_t end, int64_t first, const DrawKey& key,
                DrawFilter& filter, Candidate& best) {
  const std::array<uint32_t, 4> words = draw_words(key, Draw::kSample, static_cast<uint32_t>((first + begin) / 4));
  for (int64_t i = begin; i < end; ++i) {
    const uint32_t word = words[i - begin];
    if (!filter.may_win(p[i], word)) continue;
    const float value = z[i] + gumbel(word);
    if (!(value > best.value)) continue;
    best = {value, static_cast<int32_t>(first + i)};
    filter.raise(value);
  }
}

// How many tokens are skipped at once if the largest z among them is too small for the draw. Mostly it is.
constexpr int64_t kDrawTokens = 64;
static_assert(kDrawTokens % 4 == 0 && kChunkTokens % 4 == 0, "four tokens share the words of a draw");

void draw(const float* z, const float* p, int64_t count, int64_t first, const DrawKey& key, RowProgress& row) {
  DrawFilter filter(row);
  for (int64_t block = 0; block < count; block += kDrawTokens) {
    const int64_t block_end = std::min(block + kDrawTokens, count);
    if (!filter.is_near(largest(z + block, block_end - block))) continue;
    for (int64_t begin = block; begin < block_end; begin += 4) {
      const int64_t end = std::min(begin + 4, block_end);
      if (!filter.is_near(*std::max_element(z + begin, z + end))) continue;
      draw_group(z, p, begin, end, first, key, filter, row.draw);
    }
  }
}

// A threshold, and the sum of the weights below it.
struct Small {
  float threshold;
  float sum;
};

Small below(const float* p, int64_t count, float threshold) { return {threshold, weight_below(p, count, threshold)}; }

// Finds a threshold such that the weights below it sum to at most `budget` > 0. From `guess`, the threshold goes up or
// down by the factor kStep, and the largest one of these that fits is taken.
Small find_small(const float* p, int64_t count, float budget, float guess) {
  constexpr float kStep = 1.5f;
  // `count` weights below budget / count sum to less than the budget. The weights that exp_weights gives are 0 or at
  // least the least normal float, so a lower threshold would leave out zeros only.
  const float safe = std::max(budget / static_cast<float>(count), std::numeric_limits<float>::min());
  Small small = below(p, count, std::max(guess, safe));
  if (small.sum <= budget) {
    for (Small more = small; more.sum <= budget && small.threshold <= budget;) {
      small = more;
      more = below(p, count, kStep * small.threshold);
    }
    return small;
  }
  while (small.sum > budget && small.threshold > safe) small = below(p, count, std::max(small.threshold / kStep, safe));
  return small;
}

// Leaves out the smallest of the weights p, as long as they sum to at most `budget`. Writes the others to `kept`.
int64_t leave_out(const float* p, int64_t count, double budget, RowProgress& row, float* kept, uint16_t* places) {
  const float positive = std::max(static_cast<float>(budget), std::numeric_limits<float>::min());
  const Small small = find_small(p, count, positive, row.threshold);
  row.threshold = small.threshold;
  row.left_out += small.sum;
  return keep_weights(p, count, small.threshold, kept, places);
}

float entropy(const RowProgress& row) {
  if (!(std::abs(row.argmax.value) < INFINITY)) return NAN;
  return static_cast<float>(std::log1p(row.rest) - row.weighted / row.sum());
}

float log_sum(const RowProgress& row) {
  if (!(std::abs(row.argmax.value) < INFINITY)) return NAN;
  return static_cast<float>(row.argmax.value + std::log1p(row.rest));
}

}  // namespace

void add_chunk(const float* z, int64_t count, int64_t first, const DrawKey* key, float* p, RowProgress& row) {
  row.factor = 1;
  const float best = largest(z, count);
  const bool rises = best > row.argmax.value;
  const int64_t place = rises ? std::find(z, z + count, best) - z : 0;
  if (rises) raise_max(row, {best, static_cast<int32_t>(first + place)});
  // A row that has no value above -inf yet has no maximum to subtract. Then all weights are 0, or NaN for a NaN.
  const float max = row.argmax.value > -INFINITY ? row.argmax.value : 0.0f;
  exp_weights(z, count, max, p);
  if (rises) p[place] = 0;
  const WeightSums sums = sum_weights(z, p, count, max);
  if (rises) p[place] = 1;
  row.chunk_sum = sums.sum + (rises ? 1 : 0);
  row.rest += sums.sum;
  row.weighted += sums.weighted;
  if (key) draw(z, p, count, first, *key, row);
}

int64_t take_weights(const float* p, int64_t count, double share, RowProgress& row, float* kept, uint16_t* places) {
  const double budget = share * row.sum() - row.left_out;
  if (row.chunk_sum <= budget) {
    row.left_out += row.chunk_sum;
    return 0;
  }
  return leave_out(p, count, budget, row, kept, places);
}

int64_t leave_out_more(float* weights, int64_t count, double share, RowProgress& row, uint16_t* places) {
  return leave_out(weights, count, share * row.sum() - row.left_out, row, weights, places);
}

void finish_row(const RowProgress& row, int64_t r, ops::TokenStats stats) {
  stats.entropy[r] = entropy(row);
  stats.argmax[r] = row.argmax.token;
  stats.sampled[r] = row.draw.token;
  if (!stats.log_sum.empty()) stats.log_sum[r] = log_sum(row);
}

}  // namespace gesso::cpu
