#include "ceilings.h"

#include <algorithm>

#include "ceiling_kernels.h"
#include "cuda/host/queue.h"
#include "ops/memory.h"

namespace gesso::bench {
namespace {

Record rate_record(const char* name, const Spread& spread) {
  return Record().add("kind", "ceiling").add("name", name).add_all(spread.record());
}

double measure_bytes(const Context& context, const TimerOptions& options, int64_t bytes, Report& report) {
  const auto source = ops::allocate<std::byte>(context, bytes), target = ops::allocate<std::byte>(context, bytes);
  ops::fill_zero(context, source.data(), bytes);
  const Spread copying =
      measure(context, options, [&] { copy_bytes(*context.queue, source.data(), bytes, target.data()); });
  const Spread reading =
      measure(context, options, [&] { read_bytes(*context.queue, source.data(), bytes, target.data()); });
  const double copied = 2.0 * static_cast<double>(bytes) / copying.median_ms;
  const double read = static_cast<double>(bytes) / reading.median_ms;
  report.add(rate_record("copy", copying).add("bytes", 2 * bytes).add("gb_per_s", copied / 1e6));
  report.add(rate_record("read", reading).add("bytes", bytes).add("gb_per_s", read / 1e6));
  return std::max(copied, read);
}

// The best rate of the kernels for one kind of product.
double measure_products(const Context& context, const TimerOptions& options, const std::vector<ProductKernel>& kernels,
                        int rounds, Report& report) {
  double best = 0;
  for (const ProductKernel& kernel : kernels) {
    double operations = 0;
    const Spread spread = measure(context, options, [&] { operations = kernel.run(*context.queue, rounds); });
    const double rate = operations / spread.median_ms;
    report.add(rate_record(kernel.name, spread).add("operations", operations).add("tera_per_s", rate / 1e9));
    best = std::max(best, rate);
  }
  return best;
}

}  // namespace

double Ceilings::floor_ms(double bytes, double bf16_operations, double int8_operations) const {
  return std::max(bytes / bytes_per_ms, bf16_operations / bf16_per_ms + int8_operations / int8_per_ms);
}

Ceilings measure_ceilings(const Context& context, const TimerOptions& options, const CeilingSizes& sizes,
                          Report& report) {
  const int arch = context.queue->properties().arch;
  return {measure_bytes(context, options, sizes.bytes, report),
          measure_products(context, options, bf16_product_kernels(arch), sizes.rounds, report),
          measure_products(context, options, int8_product_kernels(arch), sizes.rounds, report)};
}

}  // namespace gesso::bench
