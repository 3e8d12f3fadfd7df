#include "io/metadata.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <locale>
#include <sstream>

#include "core/check.h"

namespace gesso::io {
namespace {

constexpr size_t kMaxNumberLength = 64;  // longer strings are not taken as numbers
constexpr double kTwoTo63 = 9223372036854775808.0;

struct Describe {
  std::string operator()(std::monostate) const { return "a nested array"; }
  std::string operator()(bool value) const { return value ? "bool true" : "bool false"; }
  std::string operator()(int64_t value) const { return concat("integer ", value); }
  std::string operator()(double value) const { return concat("float ", value); }
  std::string operator()(std::string_view value) const { return "string " + quoted(value); }
  std::string operator()(const NumberArray& v) const {
    return concat("array of ", v.size, v.is_float() ? " floats" : " integers");
  }
  std::string operator()(const std::vector<std::string_view>& v) const {
    return concat("array of ", v.size(), " strings");
  }
};

[[noreturn]] void fail(const std::string& key, const char* expected, const MetadataValue& got) {
  throw FormatError(concat("metadata key ", quoted(key), ": expected ", expected, ", got ", described(got)));
}

// Returns an int64_t or a double when the whole text is one decimal number, else monostate.
MetadataValue parse_number(std::string_view text) {
  if (text.empty() || text.size() > kMaxNumberLength) return {};
  int64_t integer = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, integer);
  if (result.ec == std::errc() && result.ptr == end) return integer;

  // This reads from a stream because some standard libraries still lack from_chars<double>, and because strtod depends
  // on the locale of the process.
  std::istringstream stream{std::string(text)};
  stream.imbue(std::locale::classic());
  double real = 0;
  stream >> std::noskipws >> real;
  if (stream.fail() || stream.peek() != std::istringstream::traits_type::eof()) return {};
  return real;
}

// Returns the number that a value holds or spells, as int64_t or double; monostate when there is none.
MetadataValue number_of(const MetadataValue& value) {
  if (const auto* text = std::get_if<std::string_view>(&value)) return parse_number(*text);
  if (std::holds_alternative<int64_t>(value) || std::holds_alternative<double>(value)) return value;
  return {};
}

bool fits_int64(double value) { return value >= -kTwoTo63 && value < kTwoTo63 && value == std::trunc(value); }

// An empty array counts as an array of any kind, since writers give it any element type.
bool is_empty_array(const MetadataValue& value) {
  if (const auto* numbers = std::get_if<NumberArray>(&value)) return numbers->size == 0;
  const auto* texts = std::get_if<std::vector<std::string_view>>(&value);
  return texts && texts->empty();
}

// Returns the array under a key if `fits` says that it is of the right kind.
template <typename Array, typename Fits>
const Array* find_array(const MetadataValue* value, const std::string& key, const char* expected, const Fits& fits) {
  if (value == nullptr) return nullptr;
  if (const auto* array = std::get_if<Array>(value); array && fits(*array)) return array;
  static const auto& empty = *new Array();  // never destroyed, since another thread may still load as the process ends
  if (is_empty_array(*value)) return &empty;
  fail(key, expected, *value);
}

constexpr size_t kMaxShown = 80;

}  // namespace

std::string quoted(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string result = "\"";
  for (const char c : text.substr(0, kMaxShown)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f) {
      result += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      if (c == '"' || c == '\\') result += '\\';
      result += c;
    }
  }
  result += '"';
  if (text.size() > kMaxShown) result += concat("... (", text.size(), " bytes)");
  return result;
}

std::string shown_name(const std::string& name) {
  const bool is_plain = std::ranges::all_of(name, [](char c) { return c > ' ' && c < '\x7f'; });
  return is_plain && name.size() <= kMaxShown ? name : quoted(name);
}

std::string described(const MetadataValue& value) { return std::visit(Describe{}, value); }

void Metadata::add(std::string key, MetadataValue value, std::span<const std::byte> encoded) {
  const auto [position, inserted] = values_.try_emplace(std::move(key), std::move(value));
  check_format(inserted, "metadata key ", quoted(position->first), " exists already");
  keys_.push_back(position->first);
  if (!encoded.empty()) encoded_[position->first] = encoded;
}

std::span<const std::byte> Metadata::encoded(const std::string& key) const {
  at(key);
  const auto position = encoded_.find(key);
  return position == encoded_.end() ? std::span<const std::byte>() : position->second;
}

const MetadataValue* Metadata::find(const std::string& key) const {
  const auto position = values_.find(key);
  return position == values_.end() ? nullptr : &position->second;
}

const MetadataValue& Metadata::at(const std::string& key) const {
  const MetadataValue* value = find(key);
  check_format(value != nullptr, "missing metadata key ", quoted(key));
  return *value;
}

int64_t Metadata::get_int(const std::string& key) const {
  const MetadataValue& value = at(key);
  const MetadataValue number = number_of(value);
  if (const auto* integer = std::get_if<int64_t>(&number)) return *integer;
  if (const auto* real = std::get_if<double>(&number); real && fits_int64(*real)) return static_cast<int64_t>(*real);
  fail(key, "an integer", value);
}

double Metadata::get_float(const std::string& key) const {
  const MetadataValue& value = at(key);
  const MetadataValue number = number_of(value);
  if (const auto* integer = std::get_if<int64_t>(&number)) return static_cast<double>(*integer);
  if (const auto* real = std::get_if<double>(&number)) return *real;
  fail(key, "a number", value);
}

std::string_view Metadata::get_string(const std::string& key) const {
  const MetadataValue& value = at(key);
  if (const auto* text = std::get_if<std::string_view>(&value)) return *text;
  fail(key, "a string", value);
}

bool Metadata::get_bool(const std::string& key, bool fallback) const {
  const MetadataValue* value = find(key);
  if (value == nullptr) return fallback;
  if (const auto* flag = std::get_if<bool>(value)) return *flag;
  if (const auto* text = std::get_if<std::string_view>(value)) {
    if (*text == "true") return true;
    if (*text == "false") return false;
  }
  const MetadataValue number = number_of(*value);
  if (const auto* integer = std::get_if<int64_t>(&number); integer && (*integer == 0 || *integer == 1)) {
    return *integer == 1;
  }
  fail(key, "a bool", *value);
}

int64_t Metadata::get_int(const std::string& key, int64_t fallback) const { return has(key) ? get_int(key) : fallback; }

double Metadata::get_float(const std::string& key, double fallback) const {
  return has(key) ? get_float(key) : fallback;
}

std::string_view Metadata::get_string(const std::string& key, std::string_view fallback) const {
  return has(key) ? get_string(key) : fallback;
}

const NumberArray* Metadata::find_ints(const std::string& key) const {
  return find_array<NumberArray>(find(key), key, "an array of integers",
                                 [](const NumberArray& numbers) { return !numbers.is_float(); });
}

const NumberArray* Metadata::find_floats(const std::string& key) const {
  return find_array<NumberArray>(find(key), key, "an array of floats",
                                 [](const NumberArray& numbers) { return numbers.is_float(); });
}

const std::vector<std::string_view>* Metadata::find_strings(const std::string& key) const {
  return find_array<std::vector<std::string_view>>(find(key), key, "an array of strings",
                                                   [](const auto&) { return true; });
}

}  // namespace gesso::io
