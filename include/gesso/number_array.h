// A view of numbers in the type in which a file stores them. An array of 400 million bytes takes no memory of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace gesso {

enum class NumberType : uint8_t { kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kU64, kI64, kF64 };

// `data` holds `size` numbers, little endian, at any address. Somebody else owns them. A u64 is at most 2^63 - 1, a
// bool is 0 or 1.
struct NumberArray {
  const std::byte* data = nullptr;
  size_t size = 0;
  NumberType type = NumberType::kI64;

  NumberArray() = default;
  NumberArray(const std::byte* first, size_t count, NumberType kind) : data(first), size(count), type(kind) {}
  // Views of these vectors, which must live longer.
  NumberArray(const std::vector<int64_t>& values) : NumberArray(bytes(values), values.size(), NumberType::kI64) {}
  NumberArray(const std::vector<double>& values) : NumberArray(bytes(values), values.size(), NumberType::kF64) {}

  bool is_float() const { return type == NumberType::kF32 || type == NumberType::kF64; }
  // The number at `index`, which must be below `size`, converted to T.
  template <typename T>
  T at(size_t index) const;
  // All numbers: int64_t for integers and bools, double for floats.
  template <typename T>
  std::vector<T> to_vector() const {
    std::vector<T> values(size);
    for (size_t i = 0; i < size; ++i) values[i] = at<T>(i);
    return values;
  }

 private:
  template <typename T>
  static const std::byte* bytes(const std::vector<T>& values) {
    return reinterpret_cast<const std::byte*>(values.data());
  }
  template <typename T>
  T load(size_t index) const {
    T value;
    std::memcpy(&value, data + index * sizeof(T), sizeof(T));
    return value;
  }
};

// Calls visit(T{}) with a zero of the C++ type that stores numbers of this type: uint8_t{} for kU8.
template <typename Visit>
auto visit_number_type(NumberType type, const Visit& visit) {
  switch (type) {
    case NumberType::kU8:
      return visit(uint8_t{});
    case NumberType::kI8:
      return visit(int8_t{});
    case NumberType::kU16:
      return visit(uint16_t{});
    case NumberType::kI16:
      return visit(int16_t{});
    case NumberType::kU32:
      return visit(uint32_t{});
    case NumberType::kI32:
      return visit(int32_t{});
    case NumberType::kF32:
      return visit(float{});
    case NumberType::kBool:
      return visit(bool{});
    case NumberType::kU64:
      return visit(uint64_t{});
    case NumberType::kI64:
      return visit(int64_t{});
    case NumberType::kF64:
      break;
  }
  return visit(double{});
}

template <typename T>
T NumberArray::at(size_t index) const {
  return visit_number_type(type, [&](auto stored) { return static_cast<T>(load<decltype(stored)>(index)); });
}

}  // namespace gesso
