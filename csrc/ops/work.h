// How many bytes an op moves and how many operations it computes. All formulas are here, and they depend on the shapes
// of the arguments. A product of [R, K] with [N, K] counts 2 R N K operations. Elementwise work counts none. A stored
// byte counts once per call, even if several rows read it.
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

// Float32 rows that are read or written once.
Work rows_work(double rows, double columns);
// x [rows, K] times each of `weights` [N, K]; out [rows, num_outputs]. Absent weights count nothing.
Work product_work(const Context& context, double rows, std::initializer_list<const Weight*> weights,
                  double num_outputs);
// The same for experts: weights [E, N, K]. Only experts with a slot are counted. (On a device the host does not know
// the routing, so as many experts count as could have a slot.) x [rows, K] is read, and out [slots, num_outputs] is
// written.
Work expert_work(const Context& context, const Routing& routing, double rows, double num_outputs,
                 std::initializer_list<const Weight*> weights);
// Reads the scores and writes the routing.
Work route_work(ConstMatrix scores, const Routing& routing);
// Reads `rows` rows of a stored table.
Work table_rows_work(const Tensor& table, double rows);

// q [R, H * K] is changed in place, k and v are read, and keys and values are written in rows of the layout.
Work new_keys_work(ConstMatrix q, ConstMatrix k, const KeyValueLayout& layout);
// This counts the keys that each row sees, not the keys that a kernel loads for a whole block of rows.
Work attention_work(const AttentionArguments& a);
// The logits of `rows` rows and, on a device, their soft embedding, which is a product of floats. On the CPU the soft
// embedding counts nothing: the CPU leaves out tokens of small weight, and how many are left is not known from shapes.
Work head_work(const Context& context, double rows, const Weight& head, const Tensor& table);
Work soft_embed_work(double rows, const Tensor& table);

}  // namespace gesso::ops
