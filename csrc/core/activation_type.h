// How activations (the rows that go into a product with weights) are rounded before the product.
#pragma once

#include <cstdint>

namespace gesso {

enum class ActivationType : uint8_t {
  kF32,   // not rounded; on the CPU only
  kBF16,  // rounded to bf16; on GPUs only
  // Rounded to 8-bit integers where the weight is stored in blocks of integers. There is one scale for 64 columns on
  // the CPU, and for 32 on a GPU. Other weights, as F32 ones, take kF32 on the CPU and kBF16 on a GPU.
  kInt8,
};

}  // namespace gesso
