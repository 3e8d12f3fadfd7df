#include "ops/add.h"

#include "core/threads.h"
#include "cpu/simd/vector_math.h"

namespace gesso::cpu {

void add(const Context& context, ConstMatrix x, Matrix residual) {
  parallel_for(context, x.rows, x.columns, [&](int64_t r) { axpy(1.0f, x.row(r), residual.row(r), x.columns); });
}

}  // namespace gesso::cpu
