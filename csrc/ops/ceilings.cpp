#include "ops/ceilings.h"

#include "ops/dispatch.h"

namespace gesso::ops {

std::vector<Ceiling> measure_ceilings(const Context& context, const CeilingOptions& options) {
  return dispatch<cpu::measure_ceilings, cuda::measure_ceilings>(context, options);
}

}  // namespace gesso::ops
