#include "io/part_name.h"

#include <algorithm>
#include <string_view>

namespace gesso::io {
namespace {

constexpr std::string_view kEnding = "-#####-of-#####.gguf";  // each # stands for a digit
constexpr size_t kDigits = 5;
constexpr size_t kNumberAt = 1, kCountAt = 10;  // where the digits begin in the ending

constexpr char to_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

int64_t to_number(std::string_view digits) {
  int64_t number = 0;
  for (const char digit : digits) number = 10 * number + (digit - '0');
  return number;
}

std::string to_digits(int64_t number) {
  const std::string digits = std::to_string(number);
  return std::string(kDigits - std::min(kDigits, digits.size()), '0') + digits;
}

}  // namespace

std::optional<PartName> parse_part_name(const std::string& path) {
  if (path.size() < kEnding.size()) return std::nullopt;
  const std::string_view ending = std::string_view(path).substr(path.size() - kEnding.size());
  const bool fits = std::equal(ending.begin(), ending.end(), kEnding.begin(), [](char c, char pattern) {
    return pattern == '#' ? is_digit(c) : to_lower(c) == pattern;
  });
  if (!fits) return std::nullopt;
  return PartName{to_number(ending.substr(kNumberAt, kDigits)), to_number(ending.substr(kCountAt, kDigits))};
}

std::string part_path(const std::string& path, int64_t number) {
  std::string other = path;
  return other.replace(path.size() - kEnding.size() + kNumberAt, kDigits, to_digits(number));
}

std::string part_ending(int64_t number, int64_t count) {
  std::string ending(kEnding);
  ending.replace(kNumberAt, kDigits, to_digits(number));
  return ending.replace(kCountAt, kDigits, to_digits(count));
}

}  // namespace gesso::io
