#include "core/tensor.h"

#include "core/check.h"

namespace gesso {

Shape::Shape(std::initializer_list<int64_t> list) {
  check(list.size() <= kMaxRank, "shape: rank ", list.size(), ", at most ", kMaxRank, " is supported");
  for (int64_t extent : list) extents[rank++] = extent;
}

int64_t Shape::num_elements() const {
  int64_t product = 1;
  for (int i = 0; i < rank; ++i) product *= extents[i];
  return product;
}

bool Shape::operator==(const Shape& other) const { return rank == other.rank && extents == other.extents; }

std::string Shape::to_string() const {
  std::string text = "[";
  for (int i = 0; i < rank; ++i) text += (i ? ", " : "") + std::to_string(extents[i]);
  return text + "]";
}

int64_t Tensor::row_bytes() const {
  const DTypeInfo& info = dtype_info(dtype);
  return num_columns() / info.block_elements * info.block_bytes;
}

}  // namespace gesso
