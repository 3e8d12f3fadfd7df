// Stored blocks as what they are: integers with a scale, and in some formats a minimum, per group of elements. Element
// j of a row is
//   scales[j / group] * (levels[j] - offset) - mins[j / group]
// in float32, bit for bit what DecodeRow gives.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/dtype.h"

namespace gesso::quant {

// Takes a stored row apart: levels [num_elements], scales and mins [num_elements / group]. `row` may have any
// alignment; num_elements is a multiple of the type's block_elements. mins is not touched in formats that have none.
using UnpackRow = void (*)(const std::byte* row, int64_t num_elements, uint8_t* levels, float* scales, float* mins);

struct Integers {
  DType dtype;
  int group;   // elements per scale: 16 or 32
  int offset;  // the level that means 0
  bool has_min;
  bool is_wide;      // levels take 8 bits, and the offset is 128; else, levels take at most 6
  UnpackRow unpack;  // with the widest vectors that this machine has
};

// nullptr when the elements of this type have no such form.
const Integers* find_integers(DType dtype);

}  // namespace gesso::quant
