// Builds GGUF files in memory, valid ones and broken ones. Nothing here checks what it is given.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.h"

namespace gesso::test {

// A sequence of little endian numbers, bytes and strings.
class Bytes {
 public:
  template <typename T>
  Bytes& number(T value) {
    const auto* begin = reinterpret_cast<const std::byte*>(&value);
    bytes_.insert(bytes_.end(), begin, begin + sizeof(T));
    return *this;
  }
  Bytes& u32(uint32_t value) { return number(value); }
  Bytes& u64(uint64_t value) { return number(value); }
  Bytes& raw(std::string_view text) {
    for (const char c : text) bytes_.push_back(static_cast<std::byte>(c));
    return *this;
  }
  Bytes& string(std::string_view text) { return u64(text.size()).raw(text); }
  Bytes& append(const Bytes& other) {
    bytes_.insert(bytes_.end(), other.bytes_.begin(), other.bytes_.end());
    return *this;
  }
  Bytes& pad_to(size_t alignment) {
    while (bytes_.size() % alignment != 0) bytes_.push_back(std::byte{0});
    return *this;
  }

  const std::vector<std::byte>& get() const { return bytes_; }
  size_t size() const { return bytes_.size(); }

 private:
  std::vector<std::byte> bytes_;
};

// The type ids of metadata values.
enum : uint32_t { kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kString, kArray, kU64, kI64, kF64 };

class GgufBuilder {
 public:
  // Header fields, which a test may set to anything. A negative count stands for the number of keys or tensors added.
  std::string magic = "GGUF";
  uint32_t version = 3;
  int64_t num_tensors = -1;
  int64_t num_keys = -1;
  size_t alignment = 32;

  // Adds a key. `value` holds the bytes of its type and its value.
  GgufBuilder& key(std::string_view name, const Bytes& value) {
    keys_.string(name).append(value);
    ++keys_added_;
    return *this;
  }
  template <typename T>
  GgufBuilder& number(std::string_view name, uint32_t type, T value) {
    return key(name, Bytes().u32(type).number(value));
  }
  GgufBuilder& text(std::string_view name, std::string_view value) {
    return key(name, Bytes().u32(kString).string(value));
  }
  template <typename T>
  GgufBuilder& numbers(std::string_view name, uint32_t type, std::initializer_list<T> values) {
    Bytes bytes;
    bytes.u32(kArray).u32(type).u64(values.size());
    for (const T value : values) bytes.number(value);
    return key(name, bytes);
  }

  // Adds a directory entry without data. `extents` are as in the file, innermost first.
  GgufBuilder& entry(std::string_view name, const std::vector<uint64_t>& extents, uint32_t type, uint64_t offset) {
    directory_.string(name).u32(static_cast<uint32_t>(extents.size()));
    for (const uint64_t extent : extents) directory_.u64(extent);
    directory_.u32(type).u64(offset);
    ++tensors_added_;
    return *this;
  }
  // Adds a tensor with its data, which is placed behind the data before it.
  GgufBuilder& tensor(std::string_view name, const std::vector<uint64_t>& extents, DType type,
                      std::string_view content) {
    data_.pad_to(alignment);
    entry(name, extents, static_cast<uint32_t>(type), data_.size());
    data_.raw(content);
    return *this;
  }
  GgufBuilder& data(std::string_view content) {
    data_.raw(content);
    return *this;
  }

  std::vector<std::byte> build() const {
    Bytes file;
    file.raw(magic).u32(version);
    file.u64(static_cast<uint64_t>(num_tensors < 0 ? tensors_added_ : num_tensors));
    file.u64(static_cast<uint64_t>(num_keys < 0 ? keys_added_ : num_keys));
    file.append(keys_).append(directory_);
    if (data_.size() > 0) file.pad_to(alignment).append(data_);
    return file.get();
  }

 private:
  Bytes keys_, directory_, data_;
  int64_t keys_added_ = 0;
  int64_t tensors_added_ = 0;
};

}  // namespace gesso::test
