#include "ops/route.h"

#include "ops/dispatch.h"
#include "ops/expert_check.h"
#include "ops/profile_span.h"
#include "ops/work.h"

namespace gesso::ops {

void route(const Context& context, const RouteArguments& a) {
  check_routing("route", a.scores, a.per_expert_scale, a.routing);
  const ProfileSpan span(context, "route", nullptr, [&] { return route_work(a.scores, a.routing); });
  dispatch<cpu::route, cuda::route>(context, a);
}

}  // namespace gesso::ops
