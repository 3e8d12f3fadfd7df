// Many formats store integers, with a scale and in some formats a minimum for each group of elements. This takes their
// blocks apart into levels (the integers), scales and minimums. Element j of a row is
//   scales[j / group] * (levels[j] - offset) - mins[j / group]
// in float32, which is bit for bit what DecodeRow gives. For example, Q4_0 has groups of 32, levels 0 to 15, offset 8
// and no minimums.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/dtype.h"

namespace gesso::quant {

// Takes a stored row apart: levels [num_elements], scales and mins [num_elements / group]. num_elements must be a
// multiple of the type's block_elements. `row` may have any alignment. `mins` is not written for formats without
// minimums.
using UnpackRow = void (*)(const std::byte* row, int64_t num_elements, uint8_t* levels, float* scales, float* mins);

struct Integers {
  DType dtype;
  int group;   // elements per scale: 16 or 32
  int offset;  // the level that means 0
  bool has_min;
  bool is_wide;      // true: levels have 8 bits and the offset is 128; false: levels have at most 6 bits
  UnpackRow unpack;  // uses the widest vectors that this machine has
};

// Returns nullptr when the elements of this type do not have that form.
const Integers* find_integers(DType dtype);

}  // namespace gesso::quant
