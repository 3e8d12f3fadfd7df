// The searches for super-blocks: parts with integers as their scales (and minimums), which share a step d (and dmin).
#pragma once

#include "quant/encode/search.h"

namespace gesso::quant {

constexpr int kSuperBlock = 256;

// Steps under which `values` become integers from `low` to `high`, the ones that look best first: those with a small
// sum of weights * (values - step * integer)^2. The value farthest from 0 becomes `extreme`, or up to a quarter more
// (it is cut off then) or less; kSpacing puts it at other fractions of a step each time, since values that hardly
// differ would otherwise all lie between two integers, or all on one, under every step. Returns how many are worth
// trying: a few, but all where some values are so small that they become few integers, because the sum says little
// about those.
template <int kParts>
int rank_steps(const float (&values)[kParts], const float (&weights)[kParts], float extreme, float low, float high,
               HalfPrecision half, Trials& steps) {
  float smallest_value = INFINITY, farthest = 0;
  for (float value : values) {
    smallest_value = std::min(smallest_value, std::fabs(value));
    if (std::fabs(value) > std::fabs(farthest)) farthest = value;
  }
  constexpr float kSpacing = 0.0293f;
  Trials errors, trials;
  for (int k = 0; k < kTrials; ++k) {
    trials[k] = half(farthest / (extreme * (1.25f - kSpacing * k)));
    const float per_step = inverse(trials[k]);
    errors[k] = 0;
    for (int j = 0; j < kParts; ++j) {
      const float residual = values[j] - trials[k] * round(clamp(values[j] * per_step, low, high));
      errors[k] += weights[j] * residual * residual;
    }
  }
  for (float& step : steps) {
    const int k = smallest(errors);
    step = trials[k];
    errors[k] = INFINITY;
  }
  return smallest_value < std::fabs(farthest) / 8 ? kTrials : high < 100 ? 4 : 2;
}

template <int kParts>
struct SuperScales {
  float d = 0;  // in the elements' unit
  int scales[kParts] = {};
  float error = INFINITY;
};

// x[i] = d * scale * level with scales from `low` to `high`, where -low >= high.
template <typename V, typename Levels, int kParts, int low, int high>
class SuperScaleSearch {
 public:
  explicit SuperScaleSearch(const Elements<kSuperBlock>& elements) : elements_(elements), half_(elements.unit) {
    for (int j = 0; j < kParts; ++j) fits_[j] = best_scale<V, Levels, N>(x(j), w(j), FullPrecision{});
  }

  SuperScales<kParts> best() {
    constexpr int kRounds = 2;
    float values[kParts], weights[kParts];
    for (int j = 0; j < kParts; ++j) {
      values[j] = fits_[j].scale;
      weights[j] = fits_[j].square;
    }
    Trials steps;
    const int num_steps = rank_steps(values, weights, low, low, high, half_, steps);
    for (int i = 0; i < num_steps; ++i) {
      for (int round = 0; round < kRounds; ++round) try_step(steps[i]);
    }
    return best_;
  }

 private:
  static constexpr int N = kSuperBlock / kParts;

  const float* x(int j) const { return elements_.x + N * j; }
  const float* w(int j) const { return elements_.w + N * j; }

  // Picks each part's integer for this step, among 16 around the fit's, and improves the step by least squares.
  void try_step(float& d) {
    SuperScales<kParts> trial{.d = d, .error = 0};
    float slope = 0, square = 0;
    for (int j = 0; j < kParts; ++j) {
      const int first = static_cast<int>(round(clamp(fits_[j].scale * inverse(d), low, high))) - kTrials / 2;
      Trials scales;
      for (int k = 0; k < kTrials; ++k) scales[k] = d * static_cast<float>(std::clamp(first + k, low, high));
      ScaleSums sums;
      try_scales<V, Levels, N>(x(j), w(j), scales, sums);
      const int k = smallest(sums.error), scale = std::clamp(first + k, low, high);
      trial.scales[j] = scale;
      trial.error += sums.error[k];
      slope += static_cast<float>(scale) * sums.slope[k];
      square += static_cast<float>(scale * scale) * sums.square[k];
    }
    if (trial.error < best_.error) best_ = trial;
    if (square > 0) d = half_(d + slope / square);
  }

  const Elements<kSuperBlock>& elements_;
  const HalfPrecision half_;
  ScaleFit fits_[kParts];  // with any scale
  SuperScales<kParts> best_;
};

template <int kParts>
struct SuperAffine {
  float d = 0, dmin = 0;  // in the elements' unit
  int scales[kParts] = {}, mins[kParts] = {};
  float error = INFINITY;
};

// x[i] = d * scale * level - dmin * min with levels from 0 to `high`, scales and mins from 0 to `top`.
template <typename V, int high, int kParts, int top>
class SuperAffineSearch {
 public:
  explicit SuperAffineSearch(const Elements<kSuperBlock>& elements) : elements_(elements), half_(elements.unit) {
    for (int j = 0; j < kParts; ++j) fits_[j] = best_affine<V, high, N, 3>(x(j), w(j), 0.0f, FullPrecision{});
  }

  SuperAffine<kParts> best() {
    constexpr int kRounds = 2;
    float scales[kParts], weights[kParts];
    for (int j = 0; j < kParts; ++j) {
      scales[j] = fits_[j].scale;
      // What a wrong scale costs once the minimum has made up for it.
      weights[j] = std::max(fits_[j].square - fits_[j].level * fits_[j].level / fits_[j].weight, 0.0f);
    }
    Trials steps;
    const int num_steps = rank_steps(scales, weights, top, 0, top, half_, steps);
    for (int i = 0; i < num_steps; ++i) {
      float dmin = choose_dmin(steps[i]);
      for (int round = 0; round < kRounds; ++round) try_steps(steps[i], dmin);
    }
    return best_;
  }

 private:
  static constexpr int N = kSuperBlock / kParts;

  const float* x(int j) const { return elements_.x + N * j; }
  const float* w(int j) const { return elements_.w + N * j; }

  // The minimum, positive, that goes best with a scale that is not the fit's own.
  static float min_for(const AffineFit& fit, float scale) {
    return std::max(0.0f, -(fit.min + (fit.scale - scale) * fit.level / fit.weight));
  }

  static int nearest_integer(float value, float step) {
    return static_cast<int>(round(clamp(value * inverse(step), 0, top)));
  }

  float choose_dmin(float d) const {
    float mins[kParts], weights[kParts];
    for (int j = 0; j < kParts; ++j) {
      mins[j] = min_for(fits_[j], d * static_cast<float>(nearest_integer(fits_[j].scale, d)));
      weights[j] = fits_[j].weight;
    }
    Trials steps;
    rank_steps(mins, weights, top, 0, top, half_, steps);
    return steps[0];
  }

  // Picks each part's integers for these steps, and improves the steps for them by least squares.
  void try_steps(float& d, float& dmin) {
    SuperAffine<kParts> trial{.d = d, .dmin = dmin, .error = 0};
    float scale_slope = 0, min_slope = 0, scale_square = 0, min_square = 0, product = 0;
    for (int j = 0; j < kParts; ++j) {
      const AffineFit fit = best_integers(j, d, dmin, trial.scales[j], trial.mins[j]);
      const float scale = static_cast<float>(trial.scales[j]), min = static_cast<float>(trial.mins[j]);
      trial.error += fit.error;
      scale_slope += scale * fit.slope;
      min_slope -= min * fit.residual;
      scale_square += scale * scale * fit.square;
      min_square += min * min * fit.weight;
      product -= scale * min * fit.level;
    }
    if (trial.error < best_.error) best_ = trial;
    const float determinant = scale_square * min_square - product * product;
    if (determinant > 1e-5f * scale_square * min_square) {
      d = std::max(0.0f, half_(d + (scale_slope * min_square - min_slope * product) / determinant));
      dmin = std::max(0.0f, half_(dmin + (min_slope * scale_square - scale_slope * product) / determinant));
    } else if (scale_square > 0) {
      d = std::max(0.0f, half_(d + scale_slope / scale_square));
    }
  }

  // Some scales around the fit's, each with the four minimums that go best with it. The finer the levels, the farther
  // away may be the scale that suits them.
  AffineFit best_integers(int j, float d, float dmin, int& best_scale, int& best_min) const {
    constexpr int kScales = high < 31 ? 4 : 8, kMins = 4;
    AffineFit best;
    for (int first = 0; first < kScales * kMins; first += kTrials) {
      int scales[kTrials], mins[kTrials];
      Trials trial_scales, trial_mins;
      for (int k = 0; k < kTrials; ++k) {
        const int scale = (first + k) / kMins - (kScales / 2 - 1), min = k % kMins - (kMins / 2 - 1);
        scales[k] = std::clamp(nearest_integer(fits_[j].scale, d) + scale, 0, top);
        trial_scales[k] = d * static_cast<float>(scales[k]);
        mins[k] = std::clamp(nearest_integer(min_for(fits_[j], trial_scales[k]), dmin) + min, 0, top);
        trial_mins[k] = -(dmin * static_cast<float>(mins[k]));
      }
      AffineSums sums;
      if (const int k = search_affine<V, high, N>(x(j), w(j), trial_scales, trial_mins, sums, best); k >= 0) {
        best_scale = scales[k];
        best_min = mins[k];
      }
    }
    best.weight = fits_[j].weight;
    return best;
  }

  const Elements<kSuperBlock>& elements_;
  const HalfPrecision half_;
  AffineFit fits_[kParts];  // with any scale and any minimum <= 0
  SuperAffine<kParts> best_;
};

}  // namespace gesso::quant
