// Shared by the files of gesso._ops, the private module through which tests reach single ops, draws and readers.
// Every op takes NumPy arrays and returns new ones; what an op changes in place is copied first.
#pragma once

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "bindings.h"
#include "core/context.h"
#include "core/tensor.h"

namespace gesso::bindings {

using nb::literals::operator""_a;

void bind_dense_ops(nb::module_& module);
void bind_attention_ops(nb::module_& module);
void bind_expert_ops(nb::module_& module);
void bind_sampler(nb::module_& module);
void bind_readers(nb::module_& module);

using Rows = nb::ndarray<const float, nb::ndim<2>, nb::device::cpu>;  // rows may lie apart
using Bytes = nb::ndarray<const uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <typename T>
using Vector = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <typename T>
using NumpyRows = nb::ndarray<nb::numpy, T, nb::ndim<2>>;

// A weight as tests write it: ggml's name of the type, the shape, the blocks as bytes.
using Stored = std::tuple<std::string, std::vector<int64_t>, Bytes>;

// Views of the arguments; ArgumentError for what no op could have checked.
Tensor to_tensor(const Stored& stored);
inline Tensor to_tensor(const std::optional<Stored>& stored) { return stored ? to_tensor(*stored) : Tensor{}; }
ConstMatrix to_matrix(const Rows& rows);

inline Context threads(int num_threads) { return {num_threads, {}}; }
// The last argument of every op.
inline auto num_threads() { return nb::arg("num_threads") = 1; }

// A NumPy array holding a copy of `rows`.
template <typename T>
NumpyRows<T> rows_to_numpy(MatrixView<const T> rows) {
  auto* owned = new std::vector<T>();
  nb::capsule owner(owned, [](void* pointer) noexcept { delete static_cast<std::vector<T>*>(pointer); });
  for (int64_t r = 0; r < rows.rows; ++r) owned->insert(owned->end(), rows.row(r), rows.row(r) + rows.columns);
  return {owned->data(), {static_cast<size_t>(rows.rows), static_cast<size_t>(rows.columns)}, owner};
}

// What an op writes to: a matrix inside a larger one. It starts as NaN, so that elements left out are seen, and the
// margin around it must stay as it is.
class Output {
 public:
  Output(int64_t rows, int64_t columns);
  explicit Output(ConstMatrix initial);

  Matrix view();
  // A copy of the matrix; std::logic_error when the margin has changed.
  NumpyRows<float> finish();

 private:
  int64_t rows_, columns_;
  std::vector<float> memory_;
};

}  // namespace gesso::bindings
