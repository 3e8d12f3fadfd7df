// Views of memory that somebody else owns: Tensor for weights of any stored type, Matrix for float32 values.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <type_traits>

#include "core/dtype.h"

namespace gesso {

// Up to four extents, outermost first; elements lie in row major order. A default-constructed shape has rank 0.
struct Shape {
  static constexpr int kMaxRank = 4;

  std::array<int64_t, kMaxRank> extents{};
  int rank = 0;

  Shape() = default;
  Shape(std::initializer_list<int64_t> list);

  int64_t operator[](int i) const { return extents[i]; }
  int64_t last() const { return extents[rank - 1]; }
  // The product of all extents. It is 1 for rank 0.
  int64_t num_elements() const;
  bool operator==(const Shape& other) const;
  std::string to_string() const;  // "[2112, 2816]"
};

// A read-only view of a stored tensor. Its rows lie one after another without gaps, and each consists of whole blocks.
// data == nullptr means that the model has no such tensor.
struct Tensor {
  const std::byte* data = nullptr;
  DType dtype = DType::kF32;
  Shape shape;

  explicit operator bool() const { return data != nullptr; }
  // A row is the last dimension: a tensor [128, 704, 2816] has 128 * 704 rows of 2816 columns.
  int64_t num_columns() const { return shape.last(); }
  int64_t num_rows() const { return shape.num_elements() / shape.last(); }
  int64_t row_bytes() const;
  int64_t num_bytes() const { return num_rows() * row_bytes(); }
  const std::byte* row(int64_t index) const { return data + index * row_bytes(); }
  // The values of an F32 tensor. The caller must have checked that dtype is kF32.
  const float* f32() const { return reinterpret_cast<const float*>(data); }
};

// A view of a matrix [rows, columns]. Row r starts at data + r * stride; `stride` counts elements and is at least
// `columns`.
template <typename T>
struct MatrixView {
  T* data = nullptr;
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t stride = 0;

  MatrixView() = default;
  MatrixView(T* data, int64_t rows, int64_t columns) : MatrixView(data, rows, columns, columns) {}
  MatrixView(T* data, int64_t rows, int64_t columns, int64_t stride)
      : data(data), rows(rows), columns(columns), stride(stride) {}
  // A mutable view converts to a read-only one.
  template <typename U>
    requires std::is_same_v<const U, T>
  MatrixView(const MatrixView<U>& other) : MatrixView(other.data, other.rows, other.columns, other.stride) {}

  T* row(int64_t index) const { return data + index * stride; }
  MatrixView row_range(int64_t begin, int64_t count) const { return {row(begin), count, columns, stride}; }
  MatrixView column_range(int64_t begin, int64_t count) const { return {data + begin, rows, count, stride}; }
};
using Matrix = MatrixView<float>;
using ConstMatrix = MatrixView<const float>;

}  // namespace gesso
