// What the device can do at most, by kernels that do nothing else: the measure for everything else.
#pragma once

#include "core/context.h"
#include "report.h"
#include "timer.h"

namespace gesso::bench {

struct Ceilings {
  double bytes_per_ms = 0;  // the larger of copying (read and written bytes) and reading alone
  double bf16_per_ms = 0;   // multiplications and additions of bf16 products with float32 sums
  double int8_per_ms = 0;   // the same of int8 products

  // The least time for so many bytes and operations, done side by side.
  double floor_ms(double bytes, double bf16_operations, double int8_operations) const;
};

struct CeilingSizes {
  int64_t bytes = int64_t{1} << 30;  // of each of two buffers: far larger than the L2 cache
  int rounds = 2048;                 // of products
};

Ceilings measure_ceilings(const Context& context, const TimerOptions& options, const CeilingSizes& sizes,
                          Report& report);

}  // namespace gesso::bench
