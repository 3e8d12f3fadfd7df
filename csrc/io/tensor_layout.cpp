#include "io/tensor_layout.h"

#include <limits>

#include "core/check.h"

namespace gesso::io {

Tensor tensor_layout(const std::string& name, const std::string& type, const std::vector<int64_t>& shape) {
  const DTypeInfo* info = find_dtype(type);
  check_format(info, "tensor ", name, ": unknown type ", type);
  check_format(!shape.empty() && shape.size() <= Shape::kMaxRank, "tensor ", name, ": expected rank 1 to ",
               Shape::kMaxRank, ", got ", shape.size());
  Tensor tensor;
  tensor.dtype = info->dtype;
  uint64_t elements = 1;
  for (int64_t extent : shape) {
    check_format(extent >= 1, "tensor ", name, ": expected extents of at least 1, got ", extent);
    elements = checked_multiply(elements, extent, name.c_str());
    tensor.shape.extents[tensor.shape.rank++] = extent;
  }
  check_format(shape.back() % info->block_elements == 0, "tensor ", name, ": rows of ", shape.back(),
               " elements are no whole number of ", type, " blocks of ", info->block_elements);
  const uint64_t bytes = checked_multiply(elements / info->block_elements, info->block_bytes, name.c_str());
  constexpr uint64_t kMost = std::numeric_limits<int64_t>::max();
  check_format(elements <= kMost && bytes <= kMost, "tensor ", name, ": expected fewer than 2^63 elements and bytes");
  return tensor;
}

}  // namespace gesso::io
