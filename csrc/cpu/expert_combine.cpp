#include "ops/expert_combine.h"

#include <algorithm>

#include "core/threads.h"
#include "cpu/simd/vector_math.h"

namespace gesso::cpu {

void expert_combine(const Context& context, const ops::ExpertCombineArguments& a) {
  parallel_for(context, a.out.rows, 2 * a.routing.num_active * a.out.columns, [&](int64_t token) {
    std::fill_n(a.out.row(token), a.out.columns, 0.0f);
    for (int64_t i = 0; i < a.routing.num_active; ++i) {
      const int64_t pair = token * a.routing.num_active + i;
      axpy(a.routing.weights[pair], a.y.row(a.routing.slot_of_pair[pair]), a.out.row(token), a.out.columns);
    }
  });
}

}  // namespace gesso::cpu
