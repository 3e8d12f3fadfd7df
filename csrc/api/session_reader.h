// SessionReader: takes numbers and bytes from a saved session, one after another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>

#include "core/check.h"

namespace gesso {

// The bytes of a saved session that are not read yet. The messages of all errors begin with its name.
class SessionReader {
 public:
  SessionReader(std::string name, std::span<const std::byte> bytes) : name_(std::move(name)), bytes_(bytes) {}

  template <typename... Parts>
  void check(bool condition, const Parts&... parts) const {
    if (!condition) throw FormatError(concat(name_, ": ", parts...));
  }
  std::span<const std::byte> left() const { return bytes_; }
  std::span<const std::byte> take(int64_t count) {
    check(count <= std::ssize(bytes_), "expected ", count, " more bytes, got ", bytes_.size());
    const std::span<const std::byte> taken = bytes_.first(static_cast<size_t>(count));
    bytes_ = bytes_.subspan(static_cast<size_t>(count));
    return taken;
  }
  // A number of things, each of which takes at least `bytes_each` of the bytes that are left.
  int64_t count(const char* what, int64_t bytes_each) {
    const int64_t value = number();
    check(value >= 0 && value <= std::ssize(bytes_) / bytes_each, what, ": ", value, " do not fit the ", bytes_.size(),
          " bytes that are left");
    return value;
  }
  int64_t number() {
    int64_t value = 0;
    std::memcpy(&value, take(sizeof(value)).data(), sizeof(value));
    return value;
  }

 private:
  std::string name_;
  std::span<const std::byte> bytes_;
};

}  // namespace gesso
