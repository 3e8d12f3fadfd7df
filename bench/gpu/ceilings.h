// The ceilings of the device: the highest rates that kernels reach which do nothing else. All other times are compared
// with them.
#pragma once

#include "core/context.h"
#include "report.h"
#include "timer.h"

namespace gesso::bench {

struct Ceilings {
  double bytes_per_ms = 0;  // the larger of: copying (bytes read and written), reading alone
  double bf16_per_ms = 0;   // multiplications and additions of bf16 products with float32 sums
  double int8_per_ms = 0;   // the same for int8 products

  // The least time for so many bytes and operations. The device moves bytes and computes at the same time.
  double floor_ms(double bytes, double bf16_operations, double int8_operations) const;
};

struct CeilingSizes {
  int64_t bytes = int64_t{1} << 30;  // size of each of two buffers: far larger than the L2 cache
  int rounds = 2048;                 // number of rounds of products
};

Ceilings measure_ceilings(const Context& context, const TimerOptions& options, const CeilingSizes& sizes,
                          Report& report);

}  // namespace gesso::bench
