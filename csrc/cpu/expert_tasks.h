// Work over the experts that a routing chose.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/tensor.h"
#include "core/threads.h"
#include "cpu/int8_product.h"
#include "ops/route.h"

namespace gesso::cpu {

// The rows [first, first + count) of one expert's matrix in a stack [E, N, K].
inline Tensor expert_rows(const Tensor& experts, int64_t expert, int64_t first, int64_t count) {
  Tensor matrix = experts;
  matrix.shape = {count, experts.shape[2]};
  matrix.data = experts.row(expert * experts.shape[1] + first);
  return matrix;
}

// The matrix [N, K] of one expert.
inline Tensor expert_matrix(const Tensor& experts, int64_t expert) {
  return expert_rows(experts, expert, 0, experts.shape[1]);
}

// The slots of one expert.
struct ExpertSlots {
  int64_t expert = 0;
  int64_t begin = 0;
  int64_t count = 0;

  // The rows that they read: their tokens', or one each.
  SelectedRows rows_of_tokens(const Int8Rows& x, const ops::Routing& routing) const {
    return {x, routing.token_of_slot.data() + begin, count};
  }
  SelectedRows own_rows(const Int8Rows& x) const { return {x.rows_from(begin), nullptr, count}; }
};

// Calls body(slots, part) for every expert that has slots and 0 <= part < num_parts, one matrix after the other.
template <typename Body>
void for_each_expert_part(const Context& context, const ops::Routing& routing, int64_t num_parts,
                          int64_t operations_each, const Body& body) {
  const int64_t num_experts = static_cast<int64_t>(routing.expert_offsets.size()) - 1;
  parallel_for(context, num_experts * num_parts, operations_each, [&](int64_t task) {
    const int64_t expert = task / num_parts, begin = routing.expert_offsets[expert];
    const ExpertSlots slots = {expert, begin, routing.expert_offsets[expert + 1] - begin};
    if (slots.count > 0) body(slots, task % num_parts);
  });
}

// The same for the tiles of int8 products: body(slots, tiles), in a few ranges that are together the tiles of
// `num_outputs` outputs. Long ranges, because within one, weights are fetched from memory ahead of their use.
template <typename Body>
void for_each_expert_tiles(const Context& context, const ops::Routing& routing, int64_t num_outputs,
                           int64_t operations_each, const Body& body) {
  constexpr int64_t kMaxTasks = 3;
  const int64_t tiles = num_tiles(num_outputs), per_task = (tiles + kMaxTasks - 1) / kMaxTasks;
  for_each_expert_part(context, routing, (tiles + per_task - 1) / per_task, per_task * operations_each,
                       [&](const ExpertSlots& slots, int64_t task) {
                         const int64_t first = task * per_task;
                         body(slots, TileRange{first, std::min(first + per_task, tiles)});
                       });
}

// On average, for estimates.
inline int64_t rows_per_expert(const ops::Routing& routing) {
  return static_cast<int64_t>(routing.token_of_slot.size() / (routing.expert_offsets.size() - 1)) + 1;
}

}  // namespace gesso::cpu
