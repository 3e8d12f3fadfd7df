// The kernels that measure the ceilings of ceilings.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cuda/host/queue.h"

namespace gesso::bench {

// Copies `bytes`, a multiple of 16.
void copy_bytes(cuda::Queue& queue, const std::byte* source, int64_t bytes, std::byte* target);
// Reads all bytes. It would write a word to `target` for one certain sum, so that the compiler cannot drop the loads.
void read_bytes(cuda::Queue& queue, const std::byte* source, int64_t bytes, std::byte* target);

// Keeps the matrix units of the whole device busy with `rounds` products one after the other, whose operands are in
// registers or shared memory. Returns the number of multiplications and additions.
struct ProductKernel {
  const char* name;
  double (*run)(cuda::Queue& queue, int rounds);
};
// The kernels that this architecture can run.
std::vector<ProductKernel> bf16_product_kernels(int arch);
std::vector<ProductKernel> int8_product_kernels(int arch);

// Defined in ceiling_kernels_sm90a.cu.
double wgmma_products(cuda::Queue& queue, int rounds);

}  // namespace gesso::bench
