// How activations are rounded before a matrix product on a GPU.
#pragma once

#include <cstdint>

namespace gesso {

enum class ActivationType : uint8_t {
  kBF16,  // bf16 times bf16
  kInt8,  // 8-bit integers with a scale per 32 columns, where the weight is stored in blocks; else bf16
};

}  // namespace gesso
