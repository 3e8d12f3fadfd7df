// The searches for super-blocks. A super-block consists of parts. Each part has an integer as its scale, and in some
// formats one as its minimum. All scales of a super-block count steps of d, and all minimums count steps of dmin: with
// d = 0.01, a part with the integer 7 has the scale 0.07.
#pragma once

#include "quant/encode/search.h"

namespace gesso::quant {

constexpr int kSuperBlock = 256;

// Finds 16 steps with which `values` (the scales or minimums of the parts) can be rounded to integers from `low` to
// `high`. Writes them to `steps`, sorted by the sum of weights * (values - step * integer)^2, the smallest sum first.
//
// With step k, the value farthest from 0 lies at extreme * (1.25 - kSpacing * k): at 1.25 down to 0.81 times `extreme`.
// Above `high` (or below `low`) it is cut off. kSpacing is not a simple fraction, so this place is not always an
// integer or half way between two. Values that hardly differ would otherwise have the same rounding error with every
// step.
//
// Returns how many of the steps are worth trying: 2 or 4, but all 16 where the smallest value is less than 1/8 of the
// farthest. Such a value becomes a small integer with a large relative error, and the sum says little about that.
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
  float d = 0;  // in units of Elements::unit
  int scales[kParts] = {};
  float error = INFINITY;
};

// Searches for x[i] = d * scale * level, with scales from `low` to `high`, where -low >= high.
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

  // Picks the best integer scale for each part under this step, among the 16 around the part's own best scale. Then
  // improves the step by least squares.
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
  ScaleFit fits_[kParts];  // the best scale of each part, if it could be any number
  SuperScales<kParts> best_;
};

template <int kParts>
struct SuperAffine {
  float d = 0, dmin = 0;  // in units of Elements::unit
  int scales[kParts] = {}, mins[kParts] = {};
  float error = INFINITY;
};

// Searches for x[i] = d * scale * level - dmin * min, with levels from 0 to `high`, scales and mins from 0 to `top`.
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
      // How much the error grows when the scale is off by 1 and the minimum is adapted to that.
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

  // The best minimum, as a number >= 0 to subtract, for a scale other than the fit's own.
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

  // Picks the best integers for each part under these steps. Then improves the steps by least squares.
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

  // Tries 4 or 8 integer scales around that of part j's fit, each with the four minimums around the best one for it.
  // With more levels, the best scale can be farther away, so there 8 scales are tried.
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
  AffineFit fits_[kParts];  // the best scale and minimum of each part, if they could be any numbers (minimum <= 0)
  SuperAffine<kParts> best_;
};

}  // namespace gesso::quant
