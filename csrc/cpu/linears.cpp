#include "ops/linears.h"

#include "ops/linear.h"

namespace gesso::cpu {

void linears(const Context& context, const ops::LinearsArguments& a) {
  for (const auto& [weight, out] : a.products) {
    if (weight && out.rows > 0) cpu::linear(context, {.x = a.x, .weight = weight, .out = out});
  }
}

}  // namespace gesso::cpu
