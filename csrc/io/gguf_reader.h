// Reads numbers and strings from the bytes of a GGUF file, for gguf.cpp and gguf_value.cpp.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "core/check.h"
#include "core/poll.h"
#include "gesso/error.h"
#include "gesso/limits.h"

namespace gesso::io {

static_assert(std::endian::native == std::endian::little, "GGUF is read as it lies in memory");

// Reads the file from front to back. Every read is checked; errors name the byte offset and the current subject.
class GgufReader {
 public:
  // `interrupted` may be empty; it must outlive the reader. True ends the reading by throwing Interrupted.
  GgufReader(std::span<const std::byte> bytes, const std::function<bool()>& interrupted)
      : bytes_(bytes), poll_(interrupted) {}

  uint64_t offset() const { return offset_; }
  // The bytes that were read since byte `start`.
  std::span<const std::byte> since(uint64_t start) const { return bytes_.subspan(start, offset_ - start); }
  // Tells error messages what is being read: "header", `key "general.name"`.
  void set_subject(std::string subject) { subject_ = std::move(subject); }

  // Throws a FormatError that names byte `at` unless `condition` holds.
  template <typename... Parts>
  void require(bool condition, uint64_t at, const Parts&... parts) const {
    if (!condition) throw FormatError(concat("GGUF byte ", at, ", ", subject_, ": ", parts...));
  }

  template <typename T>
  T read(const char* what) {
    T value;
    std::memcpy(&value, take(sizeof(T), what).data(), sizeof(T));
    return value;
  }

  // Reads how many things follow, each at least `min_bytes` long. Refuses a number that the rest of the file cannot
  // hold, and one above `max`.
  uint64_t read_count(const char* what, uint64_t min_bytes, uint64_t max = std::numeric_limits<uint64_t>::max()) {
    const uint64_t at = offset_;
    const auto count = read<uint64_t>(what);
    require(count <= bytes_left() / min_bytes, at, what, ": expected at most ", bytes_left() / min_bytes, " (",
            bytes_left(), " bytes left, at least ", min_bytes, " each), got ", count);
    require(count <= max, at, what, ": expected at most ", max, ", got ", count);
    return count;
  }

  std::string_view read_string(const char* what) {
    const uint64_t length = read_count(what, 1);
    return as_text(take(length, what));
  }

  std::string_view read_name(const char* what) {
    const uint64_t at = offset_;
    const auto length = read<uint64_t>(what);
    require(length >= 1 && length <= uint64_t{kMaxNameBytes}, at, what, ": expected a length of 1 to ", kMaxNameBytes,
            ", got ", length);
    return as_text(take(length, what));
  }

  // Goes back to a byte that was read before.
  void seek(uint64_t offset) { offset_ = offset; }

  // Skips `count` numbers and returns where they begin. read_count() has checked the count.
  const std::byte* read_numbers(uint64_t count, uint64_t number_bytes, const char* what) {
    return take(count * number_bytes, what).data();
  }

  // Counts strings in arrays, whose views take twice their bytes and more. Refuses more than kMaxStrings in a file.
  void add_strings(uint64_t count, uint64_t at) {
    num_strings_ += count;
    require(num_strings_ <= uint64_t{kMaxStrings}, at, "array length: expected at most ", kMaxStrings,
            " strings in all arrays of the file, got ", num_strings_);
  }

  // Every loop over what a file holds calls this.
  void poll() { poll_(); }

 private:
  uint64_t bytes_left() const { return bytes_.size() - offset_; }

  std::span<const std::byte> take(uint64_t count, const char* what) {
    require(count <= bytes_left(), offset_, what, ": expected ", count, " bytes, got ", bytes_left(),
            " to the end of the file");
    const auto taken = bytes_.subspan(offset_, count);
    offset_ += count;
    return taken;
  }

  static std::string_view as_text(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  std::span<const std::byte> bytes_;
  uint64_t offset_ = 0;
  uint64_t num_strings_ = 0;
  Poll poll_;
  std::string subject_ = "header";
};

// A bool must be 0 or 1, as GGUF says. Copying any other byte into a C++ bool would be undefined behaviour.
template <>
inline bool GgufReader::read<bool>(const char* what) {
  const uint64_t at = offset_;
  const auto byte = read<uint8_t>(what);
  require(byte <= 1, at, what, ": expected a bool of 0 or 1, got ", int{byte});
  return byte == 1;
}

}  // namespace gesso::io
