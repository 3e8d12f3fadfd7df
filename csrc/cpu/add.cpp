#include "ops/add.h"

#include "core/threads/threads.h"
#include "cpu/simd/vector_math.h"

namespace gesso::cpu {

void add(const Context& context, const ops::AddArguments& a) {
  parallel_for(context, a.x.rows, a.x.columns,
               [&](int64_t r) { axpy(1.0f, a.x.row(r), a.residual.row(r), a.x.columns); });
}

}  // namespace gesso::cpu
