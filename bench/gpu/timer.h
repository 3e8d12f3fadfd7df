// How long pieces of work take on the device, by its own clock.
#pragma once

#include <functional>

#include "core/context.h"
#include "report.h"

namespace gesso::bench {

struct Spread {
  double p10_ms = 0, median_ms = 0, p90_ms = 0;
  int num_samples = 0;

  // Of one of `count` equal parts.
  Spread per(double count) const { return {p10_ms / count, median_ms / count, p90_ms / count, num_samples}; }
  Record record() const;
};

struct TimerOptions {
  double warm_up_ms = 200;   // the clocks of an idle GPU are low
  double measured_ms = 500;  // samples are taken until they come to this,
  int min_samples = 15;      // and at least so many
  int max_samples = 200;
};

// Times `work`, which puts ops into the context's queue and does nothing else. It runs once as it is, is then recorded,
// and what is timed are replays: so kernels follow each other as in a denoising step, however slow the host is.
Spread measure(const Context& context, const TimerOptions& options, const std::function<void()>& work);
// The same for work that records itself: every sample calls it.
Spread measure_plain(const Context& context, const TimerOptions& options, const std::function<void()>& work);

}  // namespace gesso::bench
