#include "ops/router.h"

#include "ops/linear.h"

namespace gesso::cpu {

void router(const Context& context, const ops::RouterArguments& a) {
  linear(context, {.x = a.x, .weight = a.weight, .out = a.scores});
  route(context, {.scores = a.scores, .per_expert_scale = a.per_expert_scale, .routing = a.routing});
}

}  // namespace gesso::cpu
