// The searches for super-blocks: parts with integers as their scales (and minimums), which share a step d (and dmin).
#pragma once

#include "quant/search.h"

namespace gesso::quant {

constexpr int kSuperBlock = 256;

// Chooses the steps that look best for storing `values` as integers: those with the smallest sum of
// weights * (values - step * integer)^2. The value farthest from 0 becomes `extreme`, or an integer closer to 0, down
// to three quarters; integers end at `extreme` and, towards the other side, at `other`.
template <int kParts, int kSteps>
void choose_steps(const float (&values)[kParts], const float (&weights)[kParts], float extreme, float other,
                  HalfPrecision half, float (&steps)[kSteps]) {
  const float farthest = heaviest_element<kParts>(values, [](int) { return 1.0f; });
  Trials errors, trials;
  for (int k = 0; k < kTrials; ++k) {
    trials[k] = half(farthest / (extreme * (1 - k / 64.0f)));
    const float per_step = inverse(trials[k]);
    errors[k] = 0;
    for (int j = 0; j < kParts; ++j) {
      const float integer = round(clamp(values[j] * per_step, std::min(extreme, other), std::max(extreme, other)));
      const float residual = values[j] - trials[k] * integer;
      errors[k] += weights[j] * residual * residual;
    }
  }
  for (float& step : steps) {
    const int k = smallest(errors);
    step = trials[k];
    errors[k] = INFINITY;
  }
}

template <int kParts>
struct SuperScales {
  float d = 0;  // in the elements' unit
  int scales[kParts] = {};
  float error = INFINITY;
};

// x[i] = d * scale * level with scales from `low` to `high`, where -low >= high.
template <typename V, typename Levels, int kParts, int low, int high>
SuperScales<kParts> best_super_scales(const Elements<kSuperBlock>& elements) {
  constexpr int N = kSuperBlock / kParts, kSteps = 2, kRounds = 2;
  const HalfPrecision half(elements.unit);
  float values[kParts], weights[kParts], steps[kSteps];
  for (int j = 0; j < kParts; ++j) {
    const ScaleFit fit = best_scale<V, Levels, N>(elements.x + N * j, elements.w + N * j, FullPrecision{});
    values[j] = fit.scale;
    weights[j] = fit.square;
  }
  choose_steps(values, weights, low, high, half, steps);

  SuperScales<kParts> best;
  for (float d : steps) {
    for (int round = 0; round < kRounds; ++round) {
      SuperScales<kParts> trial{.d = d, .error = 0};
      float slope = 0, square = 0;
      for (int j = 0; j < kParts; ++j) {
        const int first = static_cast<int>(quant::round(clamp(values[j] * inverse(d), low, high))) - kTrials / 2;
        Trials scales;
        for (int k = 0; k < kTrials; ++k) scales[k] = d * static_cast<float>(std::clamp(first + k, low, high));
        ScaleSums sums;
        try_scales<V, Levels, N>(elements.x + N * j, elements.w + N * j, scales, sums);
        const int k = smallest(sums.error), scale = std::clamp(first + k, low, high);
        trial.scales[j] = scale;
        trial.error += sums.error[k];
        slope += static_cast<float>(scale) * sums.slope[k];
        square += static_cast<float>(scale * scale) * sums.square[k];
      }
      if (trial.error < best.error) best = trial;
      if (square > 0) d = half(d + slope / square);
    }
  }
  return best;
}

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
    constexpr int kSteps = top < 32 ? 4 : 2, kRounds = 2;
    float scales[kParts], weights[kParts], steps[kSteps];
    for (int j = 0; j < kParts; ++j) {
      scales[j] = fits_[j].scale;
      // What a wrong scale costs once the minimum has made up for it.
      weights[j] = std::max(fits_[j].square - fits_[j].level * fits_[j].level / fits_[j].weight, 0.0f);
    }
    choose_steps(scales, weights, top, 0, half_, steps);
    for (const float d : steps) {
      float dmin = choose_dmin(d);
      float step = d;
      for (int round = 0; round < kRounds; ++round) try_steps(step, dmin);
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
    float mins[kParts], weights[kParts], dmin[1];
    for (int j = 0; j < kParts; ++j) {
      mins[j] = min_for(fits_[j], d * static_cast<float>(nearest_integer(fits_[j].scale, d)));
      weights[j] = fits_[j].weight;
    }
    choose_steps(mins, weights, top, 0, half_, dmin);
    return dmin[0];
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

  // Four scales around the fit's, each with the four minimums that go best with it.
  AffineFit best_integers(int j, float d, float dmin, int& best_scale, int& best_min) const {
    int scales[kTrials], mins[kTrials];
    Trials trial_scales, trial_mins;
    for (int k = 0; k < kTrials; ++k) {
      scales[k] = std::clamp(nearest_integer(fits_[j].scale, d) + k % 4 - 1, 0, top);
      trial_scales[k] = d * static_cast<float>(scales[k]);
      const float min = min_for(fits_[j], trial_scales[k]);
      mins[k] = std::clamp(nearest_integer(min, dmin) + k / 4 - 2, 0, top);
      trial_mins[k] = -(dmin * static_cast<float>(mins[k]));
    }
    AffineSums sums;
    try_affine<V, high, N>(x(j), w(j), trial_scales, trial_mins, sums);
    const int k = smallest(sums.error);
    best_scale = scales[k];
    best_min = mins[k];
    return {.error = sums.error[k],
            .slope = sums.slope[k],
            .residual = sums.residual[k],
            .square = sums.square[k],
            .level = sums.level[k],
            .weight = fits_[j].weight};
  }

  const Elements<kSuperBlock>& elements_;
  const HalfPrecision half_;
  AffineFit fits_[kParts];  // with any scale and any minimum <= 0
  SuperAffine<kParts> best_;
};

}  // namespace gesso::quant
