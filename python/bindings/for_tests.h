// Shared by the files of gesso._ops, the private module through which tests reach single ops, draws and readers.
// Every op takes NumPy arrays and returns new ones; what an op changes in place is copied first.
#pragma once

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "bindings.h"
#include "core/buffer.h"
#include "core/context.h"
#include "core/staged.h"
#include "core/tensor.h"
#include "ops/memory.h"

namespace gesso::bindings {

using nb::literals::operator""_a;

void bind_dense_ops(nb::module_& module);
void bind_attention_ops(nb::module_& module);
void bind_expert_ops(nb::module_& module);
void bind_sampler(nb::module_& module);
void bind_vector_math(nb::module_& module);
void bind_readers(nb::module_& module);
void bind_profile(nb::module_& module);

// What calls add to; nullptr while nothing is profiled.
Profile* test_profile();

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
  std::vector<float>& memory() { return memory_; }
  // A copy of the matrix; std::logic_error when the margin has changed.
  NumpyRows<float> finish();

 private:
  int64_t rows_, columns_;
  std::vector<float> memory_;
};

// One call of an op on the device that use_device() has chosen: its arguments in that device's memory, and its results
// back on the host after finish(). On the CPU, the default, everything stays where it is.
class Call {
 public:
  explicit Call(int num_threads);

  const Context& context() const { return context_; }
  Tensor tensor(const Stored& stored);
  Tensor tensor(const std::optional<Stored>& stored) { return stored ? tensor(*stored) : Tensor{}; }
  ConstMatrix matrix(const Rows& rows);
  // A matrix that the op writes, its margins included.
  Matrix output(Output& out);
  // An array that the op may change.
  template <typename T>
  std::span<T> array(std::vector<T>& values) {
    return {in_out(values.data(), static_cast<int64_t>(values.size())), values.size()};
  }
  template <typename T>
  Staged<T> staged(std::span<const T> values) {
    return {values, input(values.data(), static_cast<int64_t>(values.size()))};
  }
  template <typename T>
  Staged<T> staged(const std::vector<T>& values) {
    return staged(std::span<const T>(values));
  }
  // A copy of `count` values on the device.
  template <typename T>
  const T* input(const T* values, int64_t count) {
    return reinterpret_cast<const T*>(place(values, count * static_cast<int64_t>(sizeof(T))));
  }
  // The same, which finish() brings back.
  template <typename T>
  T* in_out(T* values, int64_t count) {
    const int64_t num_bytes = count * static_cast<int64_t>(sizeof(T));
    auto* placed = const_cast<std::byte*>(place(values, num_bytes));
    if (context_.queue) results_.push_back({placed, values, num_bytes});
    return reinterpret_cast<T*>(placed);
  }
  void finish();

 private:
  struct Result {
    const std::byte* device;
    void* host;
    int64_t num_bytes;
  };
  const std::byte* place(const void* data, int64_t num_bytes);

  Context context_;
  std::vector<Buffer<std::byte>> memory_;
  std::vector<Result> results_;
};

}  // namespace gesso::bindings
