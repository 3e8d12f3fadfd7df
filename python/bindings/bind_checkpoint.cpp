#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cstring>
#include <memory>

#include "bindings.h"
#include "gesso/checkpoint.h"

namespace gesso::bindings {
namespace {

using Bytes = nb::ndarray<const uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// bool is tested before int, because Python's bool is a subclass of int.
Checkpoint::Value to_value(nb::handle value, const std::string& key) {
  if (nb::isinstance<nb::bool_>(value)) return nb::cast<bool>(value);
  if (nb::isinstance<nb::int_>(value)) return nb::cast<int64_t>(value);
  if (nb::isinstance<nb::float_>(value)) return nb::cast<double>(value);
  if (nb::isinstance<nb::str>(value)) return nb::cast<std::string>(value);
  nb::sequence list;
  if (!nb::try_cast(value, list)) {
    throw nb::type_error(("metadata key " + key + ": expected bool, int, float, str or a list of one of them").c_str());
  }
  if (nb::len(list) == 0) return std::vector<int64_t>();
  nb::object first = list[0];
  if (nb::isinstance<nb::str>(first)) return nb::cast<std::vector<std::string>>(value);
  if (nb::isinstance<nb::float_>(first)) return nb::cast<std::vector<double>>(value);
  return nb::cast<std::vector<int64_t>>(value);
}

// The keys and strings of a hostile file need not be UTF-8.
nb::str decode(const std::string& text) {
  return nb::steal<nb::str>(
      PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "backslashreplace"));
}

// A NumPy array of the numbers. It is a copy, because the numbers of a file need not be aligned.
nb::object from_numbers(const NumberArray& numbers) {
  return visit_number_type(numbers.type, [&](auto stored) -> nb::object {
    using T = decltype(stored);
    auto owned = std::make_unique<T[]>(numbers.size);
    if (numbers.size > 0) std::memcpy(owned.get(), numbers.data, numbers.size * sizeof(T));
    T* data = owned.release();
    nb::capsule owner(data, [](void* pointer) noexcept { delete[] static_cast<T*>(pointer); });
    return nb::cast(nb::ndarray<nb::numpy, T, nb::ndim<1>>(data, {numbers.size}, owner));
  });
}

nb::object from_value(const Checkpoint::Value& value) {
  return std::visit(
      [](const auto& v) -> nb::object {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, std::monostate>) {
          return nb::none();
        } else if constexpr (std::is_same_v<T, std::string>) {
          return decode(v);
        } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
          nb::list list;
          for (const std::string& text : v) list.append(decode(text));
          return list;
        } else {
          return nb::cast(v);
        }
      },
      value);
}

}  // namespace

void bind_checkpoint(nb::module_& module) {
  nb::class_<Checkpoint::TensorInfo>(module, "TensorInfo", "One tensor of a checkpoint.")
      .def_prop_ro("name", [](const Checkpoint::TensorInfo& info) { return decode(info.name); })
      .def_ro("type", &Checkpoint::TensorInfo::type, "ggml's name of the type, for example \"Q4_K\".")
      .def_ro("shape", &Checkpoint::TensorInfo::shape, "The extents, outermost first.")
      .def_ro("num_bytes", &Checkpoint::TensorInfo::num_bytes)
      .def_ro("offset", &Checkpoint::TensorInfo::offset,
              "Where the bytes begin in the file; 0 for a tensor that was added by hand.")
      .def_prop_ro(
          "address", [](const Checkpoint::TensorInfo& info) { return reinterpret_cast<uintptr_t>(info.data); },
          "Where the bytes lie in this process; those of a GGUF file lie in its mapping.");

  nb::class_<Checkpoint>(module, "Checkpoint", "The metadata and tensors of a model before it is loaded.")
      .def(nb::init<>())
      .def_static(
          "open",
          [](nb::bytes path, bool mmap) {
            const std::string name(path.c_str(), path.size());
            return logged([&] {
              const ReleaseGil release;
              return Checkpoint::open(name, {mmap, poll_signals});
            });
          },
          nb::arg("path"), nb::arg("mmap") = true,
          "Maps a GGUF file and its other parts, or reads them. The path is what os.fsencode() gives.")
      .def_static(
          "parse",
          [](nb::bytes data) {
            const auto* first = reinterpret_cast<const std::byte*>(data.c_str());
            return Checkpoint::parse({first, data.size()}, keep_alive(data), poll_signals);
          },
          nb::arg("data"), "Parses GGUF bytes in memory.")
      .def(
          "set",
          [](Checkpoint& self, const std::string& key, nb::handle value) { self.set(key, to_value(value, key)); },
          nb::arg("key"), nb::arg("value"),
          nb::sig("def set(self, key: str, value: bool | int | float | str | collections.abc.Sequence[int]"
                  " | collections.abc.Sequence[float] | collections.abc.Sequence[str]) -> None"),
          "Adds a metadata value. FormatError where the key exists.")
      .def(
          "add_tensor",
          [](Checkpoint& self, const std::string& name, const std::string& type, const std::vector<int64_t>& shape,
             Bytes data, nb::object owner) {
            const auto* first = reinterpret_cast<const std::byte*>(data.data());
            self.add_tensor(name, type, shape, {first, data.size()}, keep_alive(std::move(owner)));
          },
          nb::arg("name"), nb::arg("type"), nb::arg("shape"), nb::arg("data"), nb::arg("owner"),
          "Adds a view of `data`, a contiguous uint8 array that `owner` keeps alive.")
      .def_prop_ro(
          "metadata",
          [](const Checkpoint& self) {
            nb::dict metadata;
            for (const std::string& key : self.keys()) {
              const std::optional<NumberArray> numbers = self.numbers(key);
              metadata[decode(key)] = numbers ? from_numbers(*numbers) : from_value(self.value(key));
            }
            return metadata;
          },
          nb::sig("def metadata(self) -> dict[str, bool | int | float | str | numpy.typing.NDArray[numpy.generic]"
                  " | list[str] | None]"),
          "All metadata by key. Lists of numbers are arrays of the type that the file has. None stands for a list of"
          " lists, which nothing reads.")
      .def(
          "encoded_value",
          [](const Checkpoint& self, const std::string& key) {
            const std::span<const std::byte> encoded = self.encoded_value(key);
            return nb::bytes(encoded.data(), encoded.size());
          },
          nb::arg("key"),
          "A metadata value as its file stores it: the value type (u32), then the value. It is empty where no file was"
          " read.")
      .def_prop_ro("tensors", &Checkpoint::tensors)
      .def_prop_ro("file_bytes", &Checkpoint::file_bytes)
      .def_prop_ro(
          "files",
          [](const Checkpoint& self) {
            nb::typed<nb::list, nb::bytes> files;
            for (const std::string& path : self.files()) files.append(nb::bytes(path.data(), path.size()));
            return files;
          },
          "The paths of the file or of its parts, as os.fsencode() gives them.")
      .def(
          "release",
          [](const Checkpoint& self, uintptr_t address, uint64_t num_bytes) {
            self.release(reinterpret_cast<const std::byte*>(address), num_bytes);
          },
          nb::arg("address"), nb::arg("num_bytes"),
          "Gives back the memory that reading mapped bytes has filled. Other bytes are left alone.");
  module.def(
      "file_kind",
      [](nb::bytes begin) { return file_kind({reinterpret_cast<const std::byte*>(begin.c_str()), begin.size()}); },
      nb::arg("begin"),
      "Says what a file is, by its first bytes, if it is no GGUF file. Empty for what it does not know.");
}

}  // namespace gesso::bindings
