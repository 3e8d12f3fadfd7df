#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>

#include "bindings.h"
#include "gesso/quantize.h"

namespace gesso::bindings {
namespace {

using Bytes = nb::ndarray<const uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Floats = nb::ndarray<const float, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <typename T>
using NumpyVector = nb::ndarray<nb::numpy, T, nb::ndim<1>>;

// Makes an array that NumPy owns. It is not initialised.
template <typename T>
NumpyVector<T> new_array(size_t size) {
  T* data = std::make_unique_for_overwrite<T[]>(size).release();
  nb::capsule owner(data, [](void* pointer) noexcept { delete[] static_cast<T*>(pointer); });
  return {data, {size}, owner};
}

std::span<const std::byte> to_span(const Bytes& bytes) {
  return {reinterpret_cast<const std::byte*>(bytes.data()), bytes.size()};
}

// Finds a type by its name. For an unknown name it returns a type of single bytes, which the next call refuses.
TensorType find_type(const std::string& name) {
  for (const TensorType& known : tensor_types()) {
    if (known.name == name) return known;
  }
  return {.name = name, .block_elements = 1, .block_bytes = 1};
}

int64_t elements_of(const TensorType& type, size_t bytes) {
  return static_cast<int64_t>(bytes) / type.block_bytes * type.block_elements;
}

NumpyVector<float> dequantize_array(const std::string& type, const Bytes& data, int num_threads) {
  auto out = new_array<float>(elements_of(find_type(type), data.size()));
  ReleaseGil release;
  dequantize(type, to_span(data), {out.data(), out.size()}, num_threads);
  return out;
}

NumpyVector<uint8_t> quantize_array(const std::string& source_type, const Bytes& source, const std::string& type,
                                    int64_t row_elements, const std::optional<Floats>& importance, float multiplier,
                                    int num_threads) {
  const TensorType target = find_type(type);
  const int64_t elements = elements_of(find_type(source_type), source.size());
  auto out = new_array<uint8_t>(elements / target.block_elements * target.block_bytes);
  QuantizeOptions options;
  if (importance) options.importance = {importance->data(), importance->size()};
  options.multiplier = multiplier;
  options.num_threads = num_threads;
  ReleaseGil release;
  quantize(source_type, to_span(source), type, row_elements, {reinterpret_cast<std::byte*>(out.data()), out.size()},
           options);
  return out;
}

}  // namespace

void bind_quantize(nb::module_& module) {
  nb::class_<TensorType>(module, "TensorType", "A tensor type that a GGUF file may hold.")
      .def_ro("name", &TensorType::name, "ggml's name, for example \"Q4_K\".")
      .def_ro("id", &TensorType::id, "ggml's id, as GGUF files store it.")
      .def_ro("block_elements", &TensorType::block_elements, "A row's length must be a multiple of this.")
      .def_ro("block_bytes", &TensorType::block_bytes)
      .def_ro("can_read", &TensorType::can_read, "Whether gesso computes with it.")
      .def_ro("can_write", &TensorType::can_write, "Whether gesso quantises to it.");
  module.def("tensor_types", tensor_types, "All types that a tensor of a GGUF file may have.");
  module.def("dequantize", dequantize_array, nb::arg("type"), nb::arg("data"), nb::arg("num_threads") = 0,
             "The float32 values of the blocks in `data`, a contiguous uint8 array.");
  nb::class_<NotFiniteCount>(module, "NotFiniteCount", "How many values are NaN or infinite.")
      .def_ro("num_nan", &NotFiniteCount::num_nan)
      .def_ro("num_infinite", &NotFiniteCount::num_infinite)
      .def_ro("first", &NotFiniteCount::first, "The index of the first of them; -1 if there are none.");
  module.def(
      "count_not_finite",
      [](const std::string& type, const Bytes& data, int num_threads) {
        ReleaseGil release;
        return count_not_finite(type, to_span(data), num_threads);
      },
      nb::arg("type"), nb::arg("data"), nb::arg("num_threads") = 0,
      "Counts the values of the blocks in `data`, a contiguous uint8 array, that are NaN or infinite.");
  module.def("quantize", quantize_array, nb::arg("source_type"), nb::arg("source"), nb::arg("type"),
             nb::arg("row_elements"), nb::arg("importance") = nb::none(), nb::arg("multiplier") = 1.0f,
             nb::arg("num_threads") = 0,
             "The rows in `source`, blocks of source_type, as blocks of another type. `importance` is float32"
             " [row_elements]: what a square error in each column counts.");
}

}  // namespace gesso::bindings
