// How activations are rounded before a matrix product.
#pragma once

#include <cstdint>

namespace gesso {

enum class ActivationType : uint8_t {
  kF32,   // not at all; on the CPU only
  kBF16,  // bf16 times bf16; on GPUs only
  kInt8,  // 8-bit integers with a scale per 32 columns, where the weight is stored in blocks of integers; else, bf16 on
          // a GPU and float32 on the CPU
};

}  // namespace gesso
