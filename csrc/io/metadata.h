// Key-value metadata of a checkpoint: GGUF's, or a Hugging Face directory's translated to the same keys.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

namespace gesso::io {

// Integers of every width and bools in arrays widen to int64_t, floats to double; an unsigned integer beyond int64_t is
// a FormatError in the reader. Strings are views into the mapped file or into the Metadata's owner, and may hold any
// bytes. Nested arrays are legal GGUF but nothing reads them: they are kept as monostate.
using MetadataValue = std::variant<std::monostate, bool, int64_t, double, std::string_view, std::vector<int64_t>,
                                   std::vector<double>, std::vector<std::string_view>>;

// A name or value taken from a file, for error messages: in quotes, plain ASCII (other bytes as \xNN), cut when long.
std::string quoted(std::string_view text);

// Typed access that is lenient in the way real files need: any integer type serves where an integer is asked, and so
// does a float without a fraction; an integer serves as a float; 0, 1, "true" and "false" serve as bools; a number
// written as a string is parsed. All getters throw FormatError naming the key.
class Metadata {
 public:
  // FormatError when the key exists already. `encoded`: see below.
  void add(std::string key, MetadataValue value, std::span<const std::byte> encoded = {});

  bool has(const std::string& key) const { return values_.count(key) != 0; }
  const MetadataValue* find(const std::string& key) const;
  // Keys in file order.
  const std::vector<std::string>& keys() const { return keys_; }
  // The value as its GGUF file stores it: value type (u32), value. For copies that keep everything, also what
  // MetadataValue widens or leaves out. Empty for a value that comes from elsewhere; FormatError for a missing key.
  std::span<const std::byte> encoded(const std::string& key) const;

  int64_t get_int(const std::string& key) const;
  int64_t get_int(const std::string& key, int64_t fallback) const;
  double get_float(const std::string& key) const;
  double get_float(const std::string& key, double fallback) const;
  bool get_bool(const std::string& key, bool fallback) const;
  std::string_view get_string(const std::string& key) const;
  std::string_view get_string(const std::string& key, std::string_view fallback) const;
  // Arrays: nullptr when absent; FormatError when the value is of another kind
  // (an empty array serves as any kind).
  const std::vector<int64_t>* find_ints(const std::string& key) const;
  const std::vector<double>* find_floats(const std::string& key) const;
  const std::vector<std::string_view>* find_strings(const std::string& key) const;

 private:
  const MetadataValue& at(const std::string& key) const;  // FormatError "missing key" when absent

  std::vector<std::string> keys_;
  std::unordered_map<std::string, MetadataValue> values_;
  std::unordered_map<std::string, std::span<const std::byte>> encoded_;
};

}  // namespace gesso::io
