// What the files of gesso._ops share. This private module gives tests access to single ops, draws and readers. Every op
// takes NumPy arrays and returns new ones; an array that an op changes in place is copied first.
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
void bind_norms(nb::module_& module);
void bind_attention_ops(nb::module_& module);
void bind_expert_ops(nb::module_& module);
void bind_sampler(nb::module_& module);
void bind_vector_math(nb::module_& module);
void bind_readers(nb::module_& module);
void bind_profile(nb::module_& module);
void bind_logits(nb::module_& module);
void bind_plans(nb::module_& module);
void bind_packed_rows(nb::module_& module);

// The profile to which calls of ops add; nullptr while nothing is profiled.
Profile* test_profile();

using Rows = nb::ndarray<const float, nb::ndim<2>, nb::device::cpu>;  // there may be gaps between rows
using Bytes = nb::ndarray<const uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <typename T>
using Vector = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <typename T>
using NumpyRows = nb::ndarray<nb::numpy, T, nb::ndim<2>>;

// A weight as tests pass it: ggml's name of the type ("Q4_K"), the shape, the bytes of the blocks.
using Stored = std::tuple<std::string, std::vector<int64_t>, Bytes>;

// These return views of the arguments. They throw an ArgumentError for what an op could not check, such as a number of
// bytes that does not fit the shape.
Tensor to_tensor(const Stored& stored);
inline Tensor to_tensor(const std::optional<Stored>& stored) { return stored ? to_tensor(*stored) : Tensor{}; }
ConstMatrix to_matrix(const Rows& rows);

// Declares num_threads, the last argument of every op.
inline auto num_threads() { return nb::arg("num_threads") = 1; }

// Returns a NumPy array with a copy of `rows`.
template <typename T>
NumpyRows<T> rows_to_numpy(MatrixView<const T> rows) {
  auto* owned = new std::vector<T>();
  nb::capsule owner(owned, [](void* pointer) noexcept { delete static_cast<std::vector<T>*>(pointer); });
  for (int64_t r = 0; r < rows.rows; ++r) owned->insert(owned->end(), rows.row(r), rows.row(r) + rows.columns);
  return {owned->data(), {static_cast<size_t>(rows.rows), static_cast<size_t>(rows.columns)}, owner};
}

// A matrix that an op writes to, inside a larger one. It starts as NaN, so that tests see elements that the op did not
// write. The margin around the matrix must not change.
class Output {
 public:
  Output(int64_t rows, int64_t columns);
  explicit Output(ConstMatrix initial);

  Matrix view();
  std::vector<float>& memory() { return memory_; }
  // Returns a copy of the matrix. Throws a std::logic_error when the margin has changed.
  NumpyRows<float> finish();

 private:
  int64_t rows_, columns_;
  std::vector<float> memory_;
};

// One call of an op on the device that use_device() has chosen. The functions of this class copy the arguments to the
// device's memory, and finish() copies the results back. On the CPU, which is the default, nothing is copied.
class Call {
 public:
  explicit Call(int num_threads);

  const Context& context() const { return context_; }
  Tensor tensor(const Stored& stored);
  Tensor tensor(const std::optional<Stored>& stored) { return stored ? tensor(*stored) : Tensor{}; }
  ConstMatrix matrix(const Rows& rows);
  // The matrix of `out`, for the op to write to. finish() brings it back together with its margin.
  Matrix output(Output& out);
  // An array that the op may change; finish() brings it back.
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
  // `count` values on the device, for the op to read.
  template <typename T>
  const T* input(const T* values, int64_t count) {
    return reinterpret_cast<const T*>(place(values, count * static_cast<int64_t>(sizeof(T))));
  }
  // `count` values on the device that the op may change; finish() brings them back.
  template <typename T>
  T* in_out(T* values, int64_t count) {
    const int64_t num_bytes = count * static_cast<int64_t>(sizeof(T));
    auto* placed = const_cast<std::byte*>(place(values, num_bytes));
    if (context_.queue) bring_back(placed, values, num_bytes);
    return reinterpret_cast<T*>(placed);
  }
  // finish() copies these bytes of the device to `host`.
  void bring_back(const void* device, void* host, int64_t num_bytes) {
    results_.push_back({static_cast<const std::byte*>(device), host, num_bytes});
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
  ops::WaitAtEnd wait_{context_};  // before the memory goes, also where an op refuses its arguments
};

}  // namespace gesso::bindings
