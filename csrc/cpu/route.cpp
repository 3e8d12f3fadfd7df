#include "ops/route.h"

#include <algorithm>
#include <cmath>

#include "core/threads/threads.h"

namespace gesso::cpu {
namespace {

// Whether an expert with score a is better than one with score b. NaN is better than every number.
bool comes_before(float a, float b) { return a > b || (std::isnan(a) && !std::isnan(b)); }

// Finds the A best experts of one token, best first, and their weights.
void route_token(const float* scores, int64_t num_experts, int64_t num_active, const float* per_expert_scale,
                 int32_t* experts, float* weights) {
  // Each expert is inserted into a short sorted list. Only a score that comes before the other moves ahead, so the
  // lower expert wins a tie.
  int64_t found = 0;
  for (int64_t e = 0; e < num_experts; ++e) {
    int64_t place = found;
    while (place > 0 && comes_before(scores[e], scores[experts[place - 1]])) --place;
    if (place == num_active) continue;
    found = std::min(found + 1, num_active);
    std::copy_backward(experts + place, experts + found - 1, experts + found);
    experts[place] = static_cast<int32_t>(e);
  }
  // The softmax' denominator cancels when the chosen probabilities are divided by their sum, so it is never computed.
  float sum = 0;
  for (int64_t a = 0; a < num_active; ++a) {
    weights[a] = std::exp(scores[experts[a]] - scores[experts[0]]);
    sum += weights[a];
  }
  for (int64_t a = 0; a < num_active; ++a) weights[a] = weights[a] / sum * per_expert_scale[experts[a]];
}

// Sorts the pairs by expert, by counting. Within an expert the tokens stay in order.
void sort_by_expert(int64_t num_tokens, const ops::Routing& routing) {
  std::span<int32_t> offsets = routing.expert_offsets;
  std::fill(offsets.begin(), offsets.end(), 0);
  for (int32_t expert : routing.experts) ++offsets[expert + 1];
  for (size_t e = 1; e < offsets.size(); ++e) offsets[e] += offsets[e - 1];
  for (int64_t pair = 0; pair < num_tokens * routing.num_active; ++pair) {
    const int32_t slot = offsets[routing.experts[pair]]++;
    routing.slot_of_pair[pair] = slot;
    routing.token_of_slot[slot] = static_cast<int32_t>(pair / routing.num_active);
  }
  // Each offset has moved to the end of its expert, which is the begin of the next expert.
  std::copy_backward(offsets.begin(), offsets.end() - 1, offsets.end());
  offsets[0] = 0;
}

}  // namespace

void route(const Context& context, const ops::RouteArguments& a) {
  parallel_for(context, a.scores.rows, 4 * a.scores.columns, [&](int64_t token) {
    const int64_t first = token * a.routing.num_active;
    route_token(a.scores.row(token), a.scores.columns, a.routing.num_active, a.per_expert_scale.f32(),
                a.routing.experts.data() + first, a.routing.weights.data() + first);
  });
  sort_by_expert(a.scores.rows, a.routing);
}

}  // namespace gesso::cpu
