// For formats that store the signs of their elements as one bit each.
#pragma once

#include <bit>
#include <cstdint>

#include "core/device_code.h"

namespace gesso::quant {

// Returns -x where bit j (0 to 7) of `bits` is set, else x. Because it has a table instead of a shift by j, and no
// branch, compilers vectorise a loop over j for every x86-64.
GESSO_DEVICE inline float negate_where(uint32_t bits, int j, float x) {
  constexpr uint32_t kBits[] = {1, 2, 4, 8, 16, 32, 64, 128};
  const uint32_t sign = bits & kBits[j] ? 0x80000000u : 0u;
  return std::bit_cast<float>(std::bit_cast<uint32_t>(x) ^ sign);
}

}  // namespace gesso::quant
