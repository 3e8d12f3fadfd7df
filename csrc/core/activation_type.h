// How activations, the rows that go into a product with weights, are rounded before it.
#pragma once

#include <cstdint>

namespace gesso {

enum class ActivationType : uint8_t {
  kF32,   // not at all; on the CPU only
  kBF16,  // to bf16, as the weights are; on GPUs only
  // To 8-bit integers with a scale per 64 columns on the CPU and per 32 on a GPU, where the weight is stored in blocks
  // of integers. Where it is not, as with F32 weights: kF32 on the CPU and kBF16 on a GPU.
  kInt8,
};

}  // namespace gesso
