#include "ops/linears.h"

#include <algorithm>
#include <span>
#include <vector>

#include "cuda/gemm/gemm.h"

namespace gesso::cuda {
namespace {

// The products whose weights have a type.
std::vector<ops::LinearProduct> products_of(std::span<const ops::LinearProduct> products, DType type) {
  std::vector<ops::LinearProduct> found;
  for (const ops::LinearProduct& product : products) {
    if (product.weight && product.weight.values.dtype == type) found.push_back(product);
  }
  return found;
}

}  // namespace

void linears(const Context& context, const ops::LinearsArguments& a) {
  std::vector<DType> types;
  for (const ops::LinearProduct& product : a.products) {
    const DType type = product.weight.values.dtype;
    if (!product.weight || std::ranges::find(types, type) != types.end()) continue;
    types.push_back(type);
    multiply(context, pack_rows(context, a.x, {type}), products_of(a.products, type));
  }
}

}  // namespace gesso::cuda
