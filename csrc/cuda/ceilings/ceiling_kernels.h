// Kernels that do nothing but move bytes, or multiply: what they reach are the ceilings of gesso/bench.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cuda/host/queue.h"

namespace gesso::cuda {

// Copies `bytes`, a multiple of 16.
void copy_bytes(Queue& queue, const std::byte* source, int64_t bytes, std::byte* target);
// Reads all bytes. It would write a word to `target` for one certain sum, so that the compiler cannot drop the loads.
void read_bytes(Queue& queue, const std::byte* source, int64_t bytes, std::byte* target);

// Keeps the matrix units of the whole device busy with `rounds` products one after the other, whose operands are in
// registers or shared memory. Returns the number of multiplications and additions.
struct ProductKernel {
  const char* operands;      // "bf16" or "int8"
  const char* instructions;  // "mma" or "wgmma"
  double (*run)(Queue& queue, int rounds);
};
// The kernels that this architecture can run.
std::vector<ProductKernel> product_kernels(int arch);

// Defined in ceiling_kernels_sm90a.cu.
double wgmma_products(Queue& queue, int rounds);

}  // namespace gesso::cuda
