// How the blocks of a GPU share the product weights . table.
#pragma once

#include <cstdint>

#include "cuda/host/queue.h"

namespace gesso::cuda {

constexpr int kSoftTileColumns = 128;

// The number of segments that a chunk is cut into. Each segment is summed by blocks of its own, in memory of its own.
// The number is chosen so that the blocks of one canvas keep nearly all multiprocessors busy. It does not depend on the
// number of rows, since the order of a row's sum depends on it.
int num_soft_segments(const DeviceProperties& properties, int64_t num_columns);

}  // namespace gesso::cuda
