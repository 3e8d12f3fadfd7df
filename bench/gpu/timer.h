// How long work takes on the device, measured by the device's own clock.
#pragma once

#include <functional>

#include "core/context.h"
#include "report.h"

namespace gesso::bench {

struct Spread {
  double p10_ms = 0, median_ms = 0, p90_ms = 0;
  int num_samples = 0;

  // The spread of one of `count` equal parts of the work.
  Spread per(double count) const { return {p10_ms / count, median_ms / count, p90_ms / count, num_samples}; }
  Record record() const;
};

struct TimerOptions {
  double warm_up_ms = 200;   // an idle GPU runs at a low clock rate
  double measured_ms = 500;  // samples are taken until they sum to this,
  int min_samples = 15;      // and until there are so many
  int max_samples = 200;
};

// Times `work`, which puts ops into the context's queue and does nothing else. It runs once directly, is then recorded,
// and its replays are timed. So kernels follow each other as in a denoising step, even if the host is slow.
Spread measure(const Context& context, const TimerOptions& options, const std::function<void()>& work);
// The same for work that records itself. Every sample calls `work`.
Spread measure_plain(const Context& context, const TimerOptions& options, const std::function<void()>& work);

}  // namespace gesso::bench
