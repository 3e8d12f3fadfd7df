// The fields of a record that say where it was measured.
#pragma once

#include "cuda/host/queue.h"
#include "report.h"

namespace gesso::bench {

Record device_record(const cuda::Queue& queue);

}  // namespace gesso::bench
