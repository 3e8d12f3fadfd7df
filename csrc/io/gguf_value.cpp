#include "io/gguf_value.h"

#include <concepts>
#include <limits>
#include <type_traits>
#include <vector>

namespace gesso::io {
namespace {

constexpr int kMaxArrayDepth = 8;  // nested arrays are read by recursion, and the stack is limited
// The fewest bytes that one string or array takes. With them, a count is compared with the bytes left before anything
// is allocated.
constexpr uint64_t kMinStringBytes = 8;
constexpr uint64_t kMinArrayBytes = 4 + 8;

enum class ValueType : uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};

// The type in which MetadataValue keeps a number.
template <typename Stored>
using Widened = std::conditional_t<std::floating_point<Stored>, double, int64_t>;

template <typename Stored>
Widened<Stored> read_widened(GgufReader& reader) {
  const uint64_t at = reader.offset();
  const auto value = reader.read<Stored>("value");
  if constexpr (std::same_as<Stored, uint64_t>) {
    reader.require(value <= std::numeric_limits<int64_t>::max(), at, "value: expected below 2^63, got ", value);
  }
  return static_cast<Widened<Stored>>(value);
}

template <typename Stored>
MetadataValue read_number(GgufReader& reader) {
  if constexpr (std::same_as<Stored, bool>) {
    return reader.read<bool>("value");
  } else {
    return read_widened<Stored>(reader);
  }
}

template <typename Stored>
MetadataValue read_number_array(GgufReader& reader) {
  std::vector<Widened<Stored>> values(reader.read_count("array length", sizeof(Stored)));
  for (Widened<Stored>& value : values) value = read_widened<Stored>(reader);
  return values;
}

MetadataValue read_string_array(GgufReader& reader) {
  std::vector<std::string_view> values(reader.read_count("array length", kMinStringBytes));
  for (std::string_view& value : values) value = reader.read_string("string");
  return values;
}

MetadataValue read_array(GgufReader& reader, int depth);

// Nothing needs nested arrays, so they are checked and skipped.
MetadataValue read_nested_array(GgufReader& reader, int depth) {
  const uint64_t at = reader.offset();
  reader.require(depth < kMaxArrayDepth, at, "array: expected at most ", kMaxArrayDepth,
                 " levels of nesting, got more");
  const uint64_t count = reader.read_count("array length", kMinArrayBytes);
  for (uint64_t i = 0; i < count; ++i) read_array(reader, depth + 1);
  return {};
}

// Calls `visit` with a zero of the C++ type that stores the value type: uint8_t{} for kU8.
template <typename Visit>
MetadataValue visit_number_type(GgufReader& reader, ValueType type, uint64_t type_at, const Visit& visit) {
  switch (type) {
    case ValueType::kU8:
      return visit(uint8_t{});
    case ValueType::kI8:
      return visit(int8_t{});
    case ValueType::kU16:
      return visit(uint16_t{});
    case ValueType::kI16:
      return visit(int16_t{});
    case ValueType::kU32:
      return visit(uint32_t{});
    case ValueType::kI32:
      return visit(int32_t{});
    case ValueType::kF32:
      return visit(float{});
    case ValueType::kBool:
      return visit(bool{});
    case ValueType::kU64:
      return visit(uint64_t{});
    case ValueType::kI64:
      return visit(int64_t{});
    case ValueType::kF64:
      return visit(double{});
    case ValueType::kString:
    case ValueType::kArray:
      break;
  }
  // A file may hold any number here: the switch above knows those that are defined.
  reader.require(false, type_at, "value type: expected 0 to 12, got ", static_cast<uint32_t>(type));
  return {};
}

// `depth` is the number of arrays around the elements: 1 for an array that is not nested.
MetadataValue read_array(GgufReader& reader, int depth) {
  const uint64_t at = reader.offset();
  const auto type = reader.read<ValueType>("array element type");
  if (type == ValueType::kString) return read_string_array(reader);
  if (type == ValueType::kArray) return read_nested_array(reader, depth);
  return visit_number_type(reader, type, at, [&](auto stored) { return read_number_array<decltype(stored)>(reader); });
}

}  // namespace

MetadataValue read_value(GgufReader& reader) {
  const uint64_t at = reader.offset();
  const auto type = reader.read<ValueType>("value type");
  if (type == ValueType::kString) return reader.read_string("string");
  if (type == ValueType::kArray) return read_array(reader, 1);
  return visit_number_type(reader, type, at, [&](auto stored) { return read_number<decltype(stored)>(reader); });
}

}  // namespace gesso::io
