#include "ops/work.h"

#include <algorithm>

#include "quant/integers.h"

namespace gesso::ops {
namespace {

double num_elements(const Tensor& tensor) { return static_cast<double>(tensor.shape.num_elements()); }
double num_bytes(const Tensor& tensor) { return static_cast<double>(tensor.num_bytes()); }

// The work with a weight. The given share of its bytes is read once, and each element is used `uses` times.
Work weight_work(const Context& context, const Tensor& values, double share, double uses) {
  Work work;
  work.stored_bytes = share * num_bytes(values);
  double& operations = multiplies_integers(context, values.dtype) ? work.int8_operations : work.float_operations;
  operations = 2 * uses * static_cast<double>(values.shape[values.shape.rank - 2] * values.shape.last());
  return work;
}

double num_used_experts(const Context& context, const Routing& routing) {
  const int64_t num_experts = static_cast<int64_t>(routing.expert_offsets.size()) - 1;
  const int64_t num_slots = static_cast<int64_t>(routing.token_of_slot.size());
  if (context.queue) return static_cast<double>(std::min(num_experts, num_slots));
  int64_t used = 0;
  for (int64_t i = 0; i < num_experts; ++i) used += routing.expert_offsets[i + 1] > routing.expert_offsets[i];
  return static_cast<double>(used);
}

// The number of keys that the rows of a sequence see, added up over the rows.
double num_seen(AttentionMode mode, int64_t window, const AttentionSequence& s) {
  if (mode == AttentionMode::kCanvas)
    return static_cast<double>(s.num_rows * (s.cached_end - s.cached_begin + s.num_rows));
  double seen = 0;
  for (int64_t row = 0; row < s.num_rows; ++row) {
    const int64_t position = s.first_position + row;
    seen += static_cast<double>(window > 0 ? std::min(position + 1, window) : position + 1);
  }
  return seen;
}

// The number of stored positions that at least one row of a sequence sees.
double num_cached(AttentionMode mode, int64_t window, const AttentionSequence& s) {
  if (mode == AttentionMode::kCanvas) return static_cast<double>(s.cached_end - s.cached_begin);
  const int64_t end = s.first_position + s.num_rows;
  return static_cast<double>(window > 0 ? std::min(end, window - 1 + s.num_rows) : end);
}

}  // namespace

bool multiplies_integers(const Context& context, DType weight_type) {
  if (context.activations != ActivationType::kInt8) return false;
  return context.queue ? dtype_info(weight_type).block_elements > 1 : quant::find_integers(weight_type) != nullptr;
}

Work rows_work(double rows, double columns) { return {.activation_bytes = sizeof(float) * rows * columns}; }

Work product_work(const Context& context, double rows, std::initializer_list<const Weight*> weights,
                  double num_outputs) {
  Work work = rows_work(rows, num_outputs);
  double num_inputs = 0;
  for (const Weight* weight : weights) {
    if (!*weight) continue;
    work += weight_work(context, weight->values, 1, rows);
    num_inputs = static_cast<double>(weight->num_inputs());
  }
  work += rows_work(rows, num_inputs);
  return work;
}

Work expert_work(const Context& context, const Routing& routing, double rows, double num_outputs,
                 std::initializer_list<const Weight*> weights) {
  const auto num_slots = static_cast<double>(routing.token_of_slot.size());
  Work work = rows_work(num_slots, num_outputs);
  double num_inputs = 0;
  for (const Weight* weight : weights) {
    if (!*weight) continue;
    const double share = num_used_experts(context, routing) / static_cast<double>(weight->values.shape[0]);
    work += weight_work(context, weight->values, share, num_slots);
    num_inputs = static_cast<double>(weight->num_inputs());
  }
  work += rows_work(rows, num_inputs);
  return work;
}

Work route_work(ConstMatrix scores, const Routing& routing) {
  return rows_work(static_cast<double>(scores.rows), static_cast<double>(scores.columns + 4 * routing.num_active));
}

Work table_rows_work(const Tensor& table, double rows) {
  Work work = rows_work(rows, static_cast<double>(table.num_columns()));
  work.stored_bytes = rows * static_cast<double>(table.row_bytes());
  return work;
}

Work new_keys_work(ConstMatrix q, ConstMatrix k, const KeyValueLayout& layout) {
  const auto rows = static_cast<double>(k.rows);
  Work work = rows_work(rows, 2 * static_cast<double>(q.columns + k.columns));
  work.activation_bytes += rows * static_cast<double>(layout.key_row_bytes + layout.value_row_bytes);
  return work;
}

Work attention_work(const AttentionArguments& a) {
  const auto row_bytes = static_cast<double>(a.layout.key_row_bytes + a.layout.value_row_bytes);
  Work work = rows_work(static_cast<double>(a.q.rows), 2 * static_cast<double>(a.q.columns));
  for (const AttentionSequence& sequence : a.sequences.host) {
    work.stored_bytes += row_bytes * num_cached(a.mode, a.window, sequence);
    if (a.mode == AttentionMode::kCanvas) work.activation_bytes += row_bytes * static_cast<double>(sequence.num_rows);
    // For each head, the scores and the sum of the values.
    work.float_operations += 2 * 2 * num_seen(a.mode, a.window, sequence) * static_cast<double>(a.q.columns);
  }
  return work;
}

Work soft_embed_work(double rows, const Tensor& table) {
  Work work = rows_work(rows, static_cast<double>(table.num_columns()));
  work.stored_bytes = num_bytes(table);
  work.float_operations = 2 * rows * num_elements(table);
  return work;
}

Work head_work(const Context& context, double rows, const Weight& head, const Tensor& table) {
  Work work = product_work(context, rows, {&head}, 0);  // logits are never written
  if (!context.queue) return work;
  const bool is_tied = head.values.data == table.data;
  Work soft = soft_embed_work(rows, table);
  if (is_tied) soft.stored_bytes = 0;  // one table, read once for both
  work += soft;
  return work;
}

}  // namespace gesso::ops
