// The kernels behind ceilings.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cuda/host/queue.h"

namespace gesso::bench {

// `bytes` is a multiple of 16.
void copy_bytes(cuda::Queue& queue, const std::byte* source, int64_t bytes, std::byte* target);
// Reads all, and would write a word to `target` if it found a certain sum.
void read_bytes(cuda::Queue& queue, const std::byte* source, int64_t bytes, std::byte* target);

// Keeps the matrix units of the whole device busy from registers or shared memory, with `rounds` products after each
// other; returns how many multiplications and additions that was.
struct ProductKernel {
  const char* name;
  double (*run)(cuda::Queue& queue, int rounds);
};
// Those that this architecture has.
std::vector<ProductKernel> bf16_product_kernels(int arch);
std::vector<ProductKernel> int8_product_kernels(int arch);

// In ceiling_kernels_sm90a.cu.
double wgmma_products(cuda::Queue& queue, int rounds);

}  // namespace gesso::bench
