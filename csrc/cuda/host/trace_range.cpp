// Opens and closes ranges with NVTX, a library of headers that comes with the CUDA toolkit.
#include "ops/trace_range.h"

#include <nvtx3/nvToolsExt.h>

namespace gesso::cuda {

void push_range(const char* name) { nvtxRangePushA(name); }
void pop_range() { nvtxRangePop(); }

}  // namespace gesso::cuda
