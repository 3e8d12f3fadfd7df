// The key-value metadata of a checkpoint. It comes from a GGUF file, or from a Hugging Face folder whose configuration
// was translated to GGUF's keys.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "gesso/number_array.h"

namespace gesso::io {

// One value. A single integer of any width becomes int64_t, a single float double. Arrays of numbers stay as they are
// stored. The reader throws a FormatError for an unsigned integer above the largest int64_t. Strings and arrays of
// numbers are views into memory that the file's owner keeps alive; strings may hold any bytes. GGUF allows nested
// arrays, but nothing needs them: they become monostate.
using MetadataValue =
    std::variant<std::monostate, bool, int64_t, double, std::string_view, NumberArray, std::vector<std::string_view>>;

// Writes a name or value from a file as error messages show it: in quotes, in plain ASCII (other bytes as \xNN), and
// only the first 80 bytes if it is longer.
std::string quoted(std::string_view text);

// The same without the quotes for a name that needs none: at most 80 printable characters without spaces.
std::string shown_name(const std::string& name);

// Describes a value for error messages: `string "abc"`, `integer 5`, `array of 30 integers`.
std::string described(const MetadataValue& value);

// Gives typed access. It accepts what real files contain: an integer of any width or a float without a fraction (8.0)
// where an integer is asked for, an integer where a float is asked for, 0, 1, "true" and "false" as bools, and numbers
// written as strings ("8"). All getters throw a FormatError that names the key when the value is of another kind, or
// when the key is missing and there is no fallback.
class Metadata {
 public:
  // Throws a FormatError when the key exists already. For `encoded`, see the function of that name.
  void add(std::string key, MetadataValue value, std::span<const std::byte> encoded = {});

  bool has(const std::string& key) const { return values_.count(key) != 0; }
  const MetadataValue* find(const std::string& key) const;
  // The keys in the order of the file.
  const std::vector<std::string>& keys() const { return keys_; }
  // The bytes that store the value in its GGUF file: the value type (u32), then the value. A copy of a file writes
  // these bytes, so that it keeps what MetadataValue widens or leaves out. The span is empty for a value that does not
  // come from a GGUF file. Throws a FormatError for a missing key.
  std::span<const std::byte> encoded(const std::string& key) const;

  int64_t get_int(const std::string& key) const;
  int64_t get_int(const std::string& key, int64_t fallback) const;
  double get_float(const std::string& key) const;
  double get_float(const std::string& key, double fallback) const;
  bool get_bool(const std::string& key, bool fallback) const;
  std::string_view get_string(const std::string& key) const;
  std::string_view get_string(const std::string& key, std::string_view fallback) const;
  // These three return nullptr when the key is missing, and throw a FormatError when the value is of another kind. An
  // empty array is accepted as an array of any kind.
  const NumberArray* find_ints(const std::string& key) const;
  const NumberArray* find_floats(const std::string& key) const;
  const std::vector<std::string_view>* find_strings(const std::string& key) const;

 private:
  const MetadataValue& at(const std::string& key) const;  // throws a FormatError when the key is missing

  std::vector<std::string> keys_;
  std::unordered_map<std::string, MetadataValue> values_;
  std::unordered_map<std::string, std::span<const std::byte>> encoded_;
};

}  // namespace gesso::io
