#include "ops/expert_combine.h"

#include <algorithm>

#include "core/threads.h"
#include "cpu/simd/vector_math.h"

namespace gesso::cpu {

void expert_combine(const Context& context, ConstMatrix y, const ops::Routing& routing, Matrix out) {
  parallel_for(context, out.rows, 2 * routing.num_active * out.columns, [&](int64_t token) {
    std::fill_n(out.row(token), out.columns, 0.0f);
    for (int64_t a = 0; a < routing.num_active; ++a) {
      const int64_t pair = token * routing.num_active + a;
      axpy(routing.weights[pair], y.row(routing.slot_of_pair[pair]), out.row(token), out.columns);
    }
  });
}

}  // namespace gesso::cpu
