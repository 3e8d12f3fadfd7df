// Divides the products with the experts that a routing chose among threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "core/tensor.h"
#include "core/threads/threads.h"
#include "cpu/products/int8_product.h"
#include "ops/route.h"

namespace gesso::cpu {

// Returns the rows first .. first + count - 1 of one expert's matrix in a stack [E, N, K].
inline Tensor expert_rows(const Tensor& experts, int64_t expert, int64_t first, int64_t count) {
  Tensor matrix = experts;
  matrix.shape = {count, experts.shape[2]};
  matrix.data = experts.row(expert * experts.shape[1] + first);
  return matrix;
}

// Returns the matrix [N, K] of one expert.
inline Tensor expert_matrix(const Tensor& experts, int64_t expert) {
  return expert_rows(experts, expert, 0, experts.shape[1]);
}

// The slots of one expert: begin .. begin + count - 1. A slot is the place of a pair (token, expert) after the pairs
// are sorted by expert, see ops::Routing.
struct ExpertSlots {
  int64_t expert = 0;
  int64_t begin = 0;
  int64_t count = 0;

  // The rows of x that the slots read, if x has a row for each token.
  SelectedRows rows_of_tokens(const Int8Rows& x, const ops::Routing& routing) const {
    return {x, routing.token_of_slot.data() + begin, count};
  }
  // The rows of x that the slots read, if x has a row for each slot.
  SelectedRows own_rows(const Int8Rows& x) const { return {x.rows_from(begin), nullptr, count}; }
};

inline int64_t num_experts(const ops::Routing& routing) {
  return static_cast<int64_t>(routing.expert_offsets.size()) - 1;
}

inline ExpertSlots slots_of(const ops::Routing& routing, int64_t expert) {
  const int64_t begin = routing.expert_offsets[expert];
  return {expert, begin, routing.expert_offsets[expert + 1] - begin};
}

// Calls body(slots, part) for every expert that has slots and for 0 <= part < num_parts. The parts of one expert are
// neighbours in the order of the calls.
template <typename Body>
void for_each_expert_part(const Context& context, const ops::Routing& routing, int64_t num_parts,
                          int64_t operations_each, const Body& body) {
  parallel_for(context, num_experts(routing) * num_parts, operations_each, [&](int64_t task) {
    const ExpertSlots slots = slots_of(routing, task / num_parts);
    if (slots.count > 0) body(slots, task % num_parts);
  });
}

// A range of tiles of one expert's int8 product.
struct ExpertTiles {
  ExpertSlots slots;
  TileRange tiles;
};

// Divides all tiles of the experts that have slots into ranges of about the same work. Long ranges are good, because
// within a range the next tile is fetched from memory while one is multiplied. But there must be enough ranges for all
// threads to end at about the same time; some experts have a hundred times as many slots as others. The result is in
// memory of the calling thread, valid until its next call.
inline std::span<const ExpertTiles> expert_tiles(const Context& context, const ops::Routing& routing,
                                                 int64_t num_outputs) {
  constexpr int64_t kRangesPerThread = 32;
  constexpr int64_t kDecodedRows = 8;  // decoding a tile takes about as long as multiplying it with 8 rows
  const int64_t tiles = num_tiles(num_outputs);
  const auto work_of = [](const ExpertSlots& slots) { return slots.count > 0 ? slots.count + kDecodedRows : 0; };
  int64_t all_work = 0;
  for (int64_t e = 0; e < num_experts(routing); ++e) all_work += work_of(slots_of(routing, e));
  const int64_t work_each = all_work / (kRangesPerThread * context.num_threads) + 1;

  thread_local std::vector<ExpertTiles> ranges;
  ranges.clear();
  for (int64_t e = 0; e < num_experts(routing); ++e) {
    const ExpertSlots slots = slots_of(routing, e);
    const int64_t parts = std::min((work_of(slots) + work_each - 1) / work_each, tiles);
    for (int64_t part = 0; part < parts; ++part) {
      ranges.push_back({slots, {tiles * part / parts, tiles * (part + 1) / parts}});
    }
  }
  return ranges;
}

// Calls body(slots, tiles, poll) for all ranges of expert_tiles. `operations` is a rough count of the operations of one
// tile.
template <typename Body>
void for_each_expert_tiles(const Context& context, const ops::Routing& routing, int64_t num_outputs, int64_t operations,
                           const Body& body) {
  const std::span<const ExpertTiles> ranges = expert_tiles(context, routing, num_outputs);
  const int64_t num_ranges = static_cast<int64_t>(ranges.size());
  const int64_t all_operations = operations * num_tiles(num_outputs) * num_experts(routing);
  const int64_t operations_each = all_operations / std::max<int64_t>(num_ranges, 1);
  parallel_for(context, num_ranges, operations_each,
               [&](int64_t i, const JobPoll& poll) { body(ranges[i].slots, ranges[i].tiles, poll); });
}

// How many rows an expert multiplies on average, rounded up, for estimates of the work.
inline int64_t rows_per_expert(const ops::Routing& routing) {
  return static_cast<int64_t>(routing.token_of_slot.size()) / num_experts(routing) + 1;
}

}  // namespace gesso::cpu
