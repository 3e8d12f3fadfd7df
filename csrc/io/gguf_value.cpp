#include "io/gguf_value.h"

#include <concepts>
#include <limits>
#include <type_traits>
#include <vector>

namespace gesso::io {
namespace {

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

// Reads a number that may hold any bytes. A u64 must fit int64_t, and a bool must be 0 or 1.
template <typename Stored>
Stored read_checked(GgufReader& reader) {
  const uint64_t at = reader.offset();
  const auto value = reader.read<Stored>("value");
  if constexpr (std::same_as<Stored, uint64_t>) {
    reader.require(value <= std::numeric_limits<int64_t>::max(), at, "value: expected below 2^63, got ", value);
  }
  return value;
}

template <typename Stored>
MetadataValue read_number(GgufReader& reader) {
  const Stored value = read_checked<Stored>(reader);
  if constexpr (std::same_as<Stored, bool>) {
    return value;
  } else {
    return static_cast<std::conditional_t<std::floating_point<Stored>, double, int64_t>>(value);
  }
}

template <typename Stored>
MetadataValue read_number_array(GgufReader& reader, NumberType type) {
  const uint64_t count = reader.read_count("array length", sizeof(Stored));
  const uint64_t start = reader.offset();
  const NumberArray numbers(reader.read_numbers(count, sizeof(Stored), "array"), count, type);
  if constexpr (std::same_as<Stored, uint64_t> || std::same_as<Stored, bool>) {
    reader.seek(start);
    for (uint64_t i = 0; i < count; ++i) {
      reader.poll();
      read_checked<Stored>(reader);
    }
  }
  return numbers;
}

MetadataValue read_string_array(GgufReader& reader) {
  const uint64_t at = reader.offset();
  const uint64_t count = reader.read_count("array length", kMinStringBytes);
  reader.add_strings(count, at);
  std::vector<std::string_view> values(count);
  for (std::string_view& value : values) {
    reader.poll();
    value = reader.read_string("string");
  }
  return values;
}

MetadataValue read_array(GgufReader& reader, int depth);

// Nothing needs nested arrays, so they are checked and skipped.
MetadataValue read_nested_array(GgufReader& reader, int depth) {
  const uint64_t at = reader.offset();
  reader.require(depth < kMaxArrayDepth, at, "array: expected at most ", kMaxArrayDepth,
                 " levels of nesting, got more");
  const uint64_t count = reader.read_count("array length", kMinArrayBytes);
  for (uint64_t i = 0; i < count; ++i) {
    reader.poll();
    read_array(reader, depth + 1);
  }
  return {};
}

// Which numbers a value type stands for. Strings and arrays have been read by the caller.
NumberType to_number_type(GgufReader& reader, ValueType type, uint64_t type_at) {
  switch (type) {
    case ValueType::kU8:
      return NumberType::kU8;
    case ValueType::kI8:
      return NumberType::kI8;
    case ValueType::kU16:
      return NumberType::kU16;
    case ValueType::kI16:
      return NumberType::kI16;
    case ValueType::kU32:
      return NumberType::kU32;
    case ValueType::kI32:
      return NumberType::kI32;
    case ValueType::kF32:
      return NumberType::kF32;
    case ValueType::kBool:
      return NumberType::kBool;
    case ValueType::kU64:
      return NumberType::kU64;
    case ValueType::kI64:
      return NumberType::kI64;
    case ValueType::kF64:
      return NumberType::kF64;
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
  const NumberType number = to_number_type(reader, type, at);
  return visit_number_type(number, [&](auto stored) { return read_number_array<decltype(stored)>(reader, number); });
}

}  // namespace

MetadataValue read_value(GgufReader& reader) {
  const uint64_t at = reader.offset();
  const auto type = reader.read<ValueType>("value type");
  if (type == ValueType::kString) return reader.read_string("string");
  if (type == ValueType::kArray) return read_array(reader, 1);
  return visit_number_type(to_number_type(reader, type, at),
                           [&](auto stored) { return read_number<decltype(stored)>(reader); });
}

}  // namespace gesso::io
