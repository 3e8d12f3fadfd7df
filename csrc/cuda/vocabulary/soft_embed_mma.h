// How the product weights . table is cut.
#pragma once

#include <cstdint>

#include "cuda/host/queue.h"

namespace gesso::cuda {

constexpr int kSoftTileColumns = 128;

// Segments of a chunk, each summed by blocks and in memory of its own: as many as give the multiprocessors work at the
// rows of one canvas. It does not depend on the number of rows, since the order of a row's sum depends on it.
int num_soft_segments(const DeviceProperties& properties, int64_t num_columns);

}  // namespace gesso::cuda
