// Elementwise sum into a residual.
#pragma once

#include "core/context.h"
#include "core/tensor.h"

namespace gesso::ops {

// residual += x.   x, residual [R, D].
void add(const Context& context, ConstMatrix x, Matrix residual);

}  // namespace gesso::ops

namespace gesso::cpu {
void add(const Context& context, ConstMatrix x, Matrix residual);
}
namespace gesso::cuda {
void add(const Context& context, ConstMatrix x, Matrix residual);
}
