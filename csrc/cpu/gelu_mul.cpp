#include "cpu/gelu_mul.h"

#include <cmath>

#include "core/threads.h"

namespace gesso::cpu {

void gelu_mul(const Context& context, ConstMatrix gate, ConstMatrix up, Matrix out) {
  constexpr float kSqrtTwoOverPi = 0.7978845608028654f;
  parallel_for(context, gate.rows, kExpOperations * gate.columns, [&](int64_t r) {
    for (int64_t i = 0; i < gate.columns; ++i) {
      const float x = gate.row(r)[i];
      const float inner = kSqrtTwoOverPi * (x + 0.044715f * x * x * x);
      out.row(r)[i] = 0.5f * x * (1.0f + std::tanh(inner)) * up.row(r)[i];
    }
  });
}

}  // namespace gesso::cpu
