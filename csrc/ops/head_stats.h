// The head of a denoising step: what sampling needs of each position, and what the next step is told about it.
#pragma once

#include <cstdint>

#include "core/context.h"
#include "core/random.h"
#include "core/staged.h"
#include "core/tensor.h"
#include "ops/token_stats.h"
#include "ops/weight.h"

namespace gesso::ops {

// What may differ from row to row.
struct HeadRow {
  DrawKey key;
  float temperature = 1.0f;
};

// z[r] = cap * tanh(x[r] . head^T / cap) / rows[r].temperature, and its statistics as token_stats defines them.
// x [R, D], head [V, D], table [V, D'], rows [R], temperature > 0, cap > 0. `belief` takes what expected_embedding
// needs of z, [R, belief_columns]: the CPU keeps z itself; a device, which never writes z whole, keeps
// embed_scale * softmax(z) . table, for a table that is finite.
void head_stats(const Context& context, ConstMatrix x, const Weight& head, const Tensor& table, float cap,
                float embed_scale, Staged<HeadRow> rows, TokenStats stats, Matrix belief);

// Columns of a belief: V on the CPU, `hidden_size` (D') on a device.
int64_t belief_columns(const Context& context, int64_t vocab_size, int64_t hidden_size);

// out[r] = embed_scale * softmax(z[r]) . table of the rows that head_stats was called with; table and embed_scale are
// the same as there.   belief [R, belief_columns], out [R, D'].
void expected_embedding(const Context& context, ConstMatrix belief, const Tensor& table, float embed_scale, Matrix out);

}  // namespace gesso::ops

namespace gesso::cpu {
void head_stats(const Context& context, ConstMatrix x, const Weight& head, float cap, Staged<ops::HeadRow> rows,
                ops::TokenStats stats, Matrix z);
}
namespace gesso::cuda {
void head_stats(const Context& context, ConstMatrix x, const Weight& head, const Tensor& table, float cap,
                float embed_scale, Staged<ops::HeadRow> rows, ops::TokenStats stats, Matrix soft);
void expected_embedding(const Context& context, ConstMatrix soft, Matrix out);
}  // namespace gesso::cuda
