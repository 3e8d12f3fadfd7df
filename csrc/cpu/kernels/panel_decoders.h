// Tiles of the commonest formats straight from their bytes, 16 rows side by side in a register's lanes. The other
// formats go row by row through quant::Integers::unpack.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/dtype.h"
#include "cpu/products/fetch_ahead.h"

namespace gesso::cpu {

constexpr int kPanelRows = 16;

// Decodes 16 stored rows of `columns` elements, from `first` on and one behind the other, into half a tile (see
// Int8Tile): levels, scales and mins point at its first output, and each of their rows is followed by those of the
// tile's other half. `ahead` as in decode_tile.
using DecodePanel = void (*)(const std::byte* first, int64_t row_bytes, int64_t columns, uint8_t* levels, float* scales,
                             float* mins, FetchAhead& ahead);

// Null where there is none for the type, or for this machine.
DecodePanel find_panel_decoder(DType dtype);

}  // namespace gesso::cpu
