#include "cpu/products/gelu_mul.h"

#include "core/threads/threads.h"
#include "cpu/simd/vector_math.h"

namespace gesso::cpu {

void gelu_mul(const Context& context, ConstMatrix gate, ConstMatrix up, Matrix out) {
  parallel_for(context, gate.rows, kExpOperations * gate.columns,
               [&](int64_t r) { gelu_mul(gate.row(r), up.row(r), gate.columns, out.row(r)); });
}

}  // namespace gesso::cpu
