// Views: Tensor for weights of any stored type, Matrix for float32 activations. Neither owns memory.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <type_traits>

#include "core/dtype.h"

namespace gesso {

// Up to four extents, row major, outermost first. An unused shape has rank 0.
struct Shape {
  static constexpr int kMaxRank = 4;

  std::array<int64_t, kMaxRank> extents{};
  int rank = 0;

  Shape() = default;
  Shape(std::initializer_list<int64_t> list);

  int64_t operator[](int i) const { return extents[i]; }
  int64_t last() const { return extents[rank - 1]; }
  // Product of all extents; 1 for rank 0.
  int64_t num_elements() const;
  bool operator==(const Shape& other) const;
  std::string to_string() const;  // "[2112, 2816]"
};

// A read-only view of a stored tensor; rows lie one after another in whole blocks. data == nullptr means absent.
struct Tensor {
  const std::byte* data = nullptr;
  DType dtype = DType::kF32;
  Shape shape;

  explicit operator bool() const { return data != nullptr; }
  // Elements of the last dimension and the number of such rows.
  int64_t num_columns() const { return shape.last(); }
  int64_t num_rows() const { return shape.num_elements() / shape.last(); }
  int64_t row_bytes() const;
  int64_t num_bytes() const { return num_rows() * row_bytes(); }
  const std::byte* row(int64_t index) const { return data + index * row_bytes(); }
  // The values of an F32 tensor; the caller has checked dtype.
  const float* f32() const { return reinterpret_cast<const float*>(data); }
};

// A float32 matrix view [rows, columns]; row r starts at data + r * stride (stride >= columns, in elements).
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
