#include "core/importance.h"

#include "core/check.h"

namespace gesso {

void Importance::add(const std::byte* weight, int64_t expert, int64_t num_experts, ConstMatrix x, const int32_t* rows,
                     int64_t count) {
  Entry& entry = entries_[weight];
  if (entry.counts.empty()) {
    entry.counts.resize(num_experts);
    entry.sums.resize(num_experts * x.columns);
  }
  check(static_cast<int64_t>(entry.counts.size()) == num_experts &&
            static_cast<int64_t>(entry.sums.size()) == num_experts * x.columns,
        "importance: weights of different shapes share their data");
  entry.counts[expert] += count;
  double* sums = entry.sums.data() + expert * x.columns;
  for (int64_t i = 0; i < count; ++i) {
    const float* row = x.row(rows ? rows[i] : i);
    for (int64_t k = 0; k < x.columns; ++k) sums[k] += static_cast<double>(row[k]) * row[k];
  }
}

}  // namespace gesso
