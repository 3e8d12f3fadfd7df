#include "record.h"

#include <cmath>
#include <cstdio>

namespace gesso::bench {
namespace {

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < ' ') continue;  // no field contains control characters
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + '"';
}

}  // namespace

Record& Record::add(const std::string& key, const std::string& text) {
  fields_.emplace_back(key, quoted(text));
  return *this;
}

Record& Record::add(const std::string& key, double number) {
  char text[32] = "null";
  if (std::isfinite(number)) std::snprintf(text, sizeof(text), "%.6g", number);
  fields_.emplace_back(key, text);
  return *this;
}

Record& Record::add(const std::string& key, int64_t number) {
  fields_.emplace_back(key, std::to_string(number));
  return *this;
}

std::string Record::to_json() const {
  std::string text = "{";
  for (const auto& [key, value] : fields_) text += (text.size() > 1 ? ", " : "") + quoted(key) + ": " + value;
  return text + "}";
}

}  // namespace gesso::bench
