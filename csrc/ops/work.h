// What ops have to move and to multiply, from shapes alone: the one place with these formulas. A product of [R, K] with
// [N, K] counts 2 R N K operations; elementwise work counts none; a stored byte counts once per call, however often
// rows come back to it.
#pragma once

#include <initializer_list>

#include "core/context.h"
#include "core/profile.h"
#include "core/tensor.h"
#include "ops/attention.h"
#include "ops/route.h"
#include "ops/weight.h"

namespace gesso::ops {

// Whether a product with weights of this type multiplies integers.
bool multiplies_integers(const Context& context, DType weight_type);

// Rows that are read or written once, float32.
Work rows_work(double rows, double columns);
// x [rows, K] times each of `weights` [N, K] (absent ones count nothing); out [rows, num_outputs].
Work product_work(const Context& context, double rows, std::initializer_list<const Weight*> weights,
                  double num_outputs);
// The same for slots and stacks [E, N, K] of experts, of which those count that have a slot (on a device, where the
// routing is not known here: as many as could have one). x [rows, K] is read, out [slots, num_outputs] is written.
Work expert_work(const Context& context, const Routing& routing, double rows, double num_outputs,
                 std::initializer_list<const Weight*> weights);
// The rows of a stored table.
Work table_rows_work(const Tensor& table, double rows);

// q [R, H * K] is changed in place, k and v are read, keys and values written as the layout says.
Work new_keys_work(ConstMatrix q, ConstMatrix k, const KeyValueLayout& layout);
// What a row sees counts, not what a block of rows touches.
Work attention_work(const AttentionArguments& a);
// Logits of `rows` rows and, on a device, the soft embedding of them, whose weights are probabilities: that product is
// one of floats. (The CPU leaves out what has next to no weight: how much is left is not known from shapes.)
Work head_work(const Context& context, double rows, const Weight& head, const Tensor& table);
Work soft_embed_work(double rows, const Tensor& table);

}  // namespace gesso::ops
