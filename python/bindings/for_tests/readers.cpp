// The readers (GGUF, stored rows, tokenizer) for bytes and metadata in memory.
#include <nanobind/stl/map.h>
#include <nanobind/stl/variant.h>

#include "api/metadata_keys.h"
#include "core/check.h"
#include "for_tests.h"
#include "gesso/checkpoint.h"
#include "io/gguf.h"
#include "quant/formats.h"
#include "quant/integers.h"
#include "text/tokenizer.h"

namespace gesso::bindings {
namespace {

// Strings of a file need not be UTF-8. For those that are not, this raises a UnicodeDecodeError, which is a ValueError.
nb::object to_str(std::string_view text) {
  nb::object decoded = nb::steal(PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "strict"));
  if (!decoded.is_valid()) throw nb::python_error();
  return decoded;
}

nb::object to_python(const io::MetadataValue& value) {
  return std::visit(
      [](const auto& v) -> nb::object {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, std::monostate>) {
          return nb::none();
        } else if constexpr (std::is_same_v<T, std::string_view>) {
          return to_str(v);
        } else if constexpr (std::is_same_v<T, std::vector<std::string_view>>) {
          nb::list list;
          for (std::string_view text : v) list.append(to_str(text));
          return list;
        } else if constexpr (std::is_same_v<T, NumberArray>) {
          return v.is_float() ? nb::cast(v.template to_vector<double>()) : nb::cast(v.template to_vector<int64_t>());
        } else {
          return nb::cast(v);
        }
      },
      value);
}

nb::dict parse_gguf(nb::bytes data) {
  const std::span<const std::byte> bytes{reinterpret_cast<const std::byte*>(data.c_str()), data.size()};
  const io::GgufFile file = io::parse_gguf(bytes);
  nb::dict metadata;
  for (const std::string& key : file.metadata.keys()) metadata[to_str(key)] = to_python(*file.metadata.find(key));
  nb::list tensors;
  for (const auto& [name, tensor, offset] : file.tensors) {
    nb::dict entry;
    entry["name"] = to_str(name);
    entry["dtype"] = dtype_name(tensor.dtype);
    entry["shape"] =
        std::vector<int64_t>(tensor.shape.extents.begin(), tensor.shape.extents.begin() + tensor.shape.rank);
    entry["offset"] = offset;
    tensors.append(entry);
  }
  nb::dict result;
  result["metadata"] = metadata;
  result["tensors"] = tensors;
  return result;
}

// Returns the type of a stored row, after checking that `data` holds num_elements.
const DTypeInfo& check_row(const std::string& dtype, nb::bytes data, int64_t num_elements) {
  const DTypeInfo* info = find_dtype(dtype);
  check(info, "unknown type ", dtype);
  check(num_elements >= 0 && num_elements % info->block_elements == 0 &&
            static_cast<uint64_t>(num_elements / info->block_elements) * info->block_bytes == data.size(),
        data.size(), " bytes are not ", num_elements, " elements of ", dtype);
  return *info;
}

auto decode_row(const std::string& dtype, nb::bytes data, int64_t num_elements) {
  const DTypeInfo& info = check_row(dtype, data, num_elements);
  const quant::DecodeRow decode = quant::find_decoder(info.dtype);
  check(decode, "decode_row: cannot decode ", dtype, "; supported: ", quant::supported_types());
  std::vector<float> values(num_elements);
  decode(reinterpret_cast<const std::byte*>(data.c_str()), num_elements, values.data());
  return copy_to_numpy<float>(values);
}

nb::object unpack_row(const std::string& dtype, nb::bytes data, int64_t num_elements) {
  const DTypeInfo& info = check_row(dtype, data, num_elements);
  const quant::Integers* integers = quant::find_integers(info.dtype);
  if (!integers) return nb::none();
  std::vector<uint8_t> levels(num_elements);
  std::vector<float> scales(num_elements / integers->group), mins(scales.size());
  integers->unpack(reinterpret_cast<const std::byte*>(data.c_str()), num_elements, levels.data(), scales.data(),
                   integers->has_min ? mins.data() : nullptr);
  return nb::make_tuple(copy_to_numpy<uint8_t>(levels), copy_to_numpy<float>(scales), copy_to_numpy<float>(mins),
                        integers->offset, integers->is_wide);
}

// The Tokenizer of gesso._native, with a function that makes a StreamDecoder.
struct TestTokenizer : Tokenizer {};

// nanobind tries these types in this order. So an empty list becomes a list of strings, as empty merges need it.
using Value = std::variant<bool, int64_t, double, std::string, std::vector<std::string>, std::vector<int64_t>>;

std::optional<TestTokenizer> make_tokenizer(const std::map<std::string, Value>& metadata) {
  Checkpoint checkpoint;
  for (const auto& [key, value] : metadata) {
    std::visit([&, &name = key](const auto& v) { checkpoint.set(name, v); }, value);
  }
  const io::GgufFile& file = checkpoint.file();
  std::optional<Tokenizer> tokenizer = text::load_tokenizer(file.metadata, file.owner);
  if (!tokenizer) return std::nullopt;
  return TestTokenizer{*tokenizer};
}

nb::object key_treatment(const std::string& key, const std::string& architecture) {
  const KeyGroup* group = find_key_group(key, architecture);
  if (!group) return nb::none();
  constexpr const char* kNames[] = {"read", "ignored", "only", "refused"};
  return nb::make_tuple(kNames[static_cast<int>(group->treatment)], std::string(group->why));
}

}  // namespace

void bind_readers(nb::module_& module) {
  module.def("parse_gguf", parse_gguf, "data"_a);
  module.def("decode_row", decode_row, "dtype"_a, "data"_a, "num_elements"_a);
  module.def("unpack_row", unpack_row, "dtype"_a, "data"_a, "num_elements"_a,
             "levels, scales, mins, offset, is_wide; None for types that have no such form.");
  nb::class_<TestTokenizer, Tokenizer>(module, "Tokenizer").def("stream_decoder", [](const TestTokenizer& self) {
    return StreamDecoder(self);
  });
  module.def("key_treatment", key_treatment, "key"_a, "architecture"_a,
             "Treatment of a metadata key and the reason for it; None for a key that the table does not have.");
  module.def("make_tokenizer", make_tokenizer, "metadata"_a, "None when the metadata holds no tokenizer.");
}

}  // namespace gesso::bindings
