// Fast decoders for the most common formats. They decode 16 rows at once, each row in a lane of the registers. The
// other formats are decoded row by row with quant::Integers::unpack.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/dtype.h"
#include "cpu/products/fetch_ahead.h"

namespace gesso::cpu {

constexpr int kPanelRows = 16;

// Decodes 16 stored rows of `columns` elements into half an Int8Tile. The rows lie one behind the other, `row_bytes`
// apart, from `first` on. `levels`, `scales` and `mins` point at the first output of this half; the strides are those
// of the whole tile (32 outputs). `ahead` is used as in decode_tile.
using DecodePanel = void (*)(const std::byte* first, int64_t row_bytes, int64_t columns, uint8_t* levels, float* scales,
                             float* mins, FetchAhead& ahead);

// Returns null where there is no panel decoder for this type, or none that this machine runs.
DecodePanel find_panel_decoder(DType dtype);

}  // namespace gesso::cpu
