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

// z[r] = cap * tanh(x[r] . head^T / cap) / rows[r].temperature, its statistics as token_stats defines them, and
// belief[r] = embed_scale * softmax(z[r]) . table as soft_embed has it. z is never written whole.
// x [R, D], head [V, D], table [V, D'], finite on a GPU; rows [R], temperature > 0, cap > 0, belief [R, D'].
void head_stats(const Context& context, ConstMatrix x, const Weight& head, const Tensor& table, float cap,
                float embed_scale, Staged<HeadRow> rows, TokenStats stats, Matrix belief);

}  // namespace gesso::ops

namespace gesso::cpu {
void head_stats(const Context& context, ConstMatrix x, const Weight& head, const Tensor& table, float cap,
                float embed_scale, Staged<ops::HeadRow> rows, ops::TokenStats stats, Matrix belief);
}
namespace gesso::cuda {
void head_stats(const Context& context, ConstMatrix x, const Weight& head, const Tensor& table, float cap,
                float embed_scale, Staged<ops::HeadRow> rows, ops::TokenStats stats, Matrix belief);
}  // namespace gesso::cuda
