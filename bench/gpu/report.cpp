#include "report.h"

#include <cmath>
#include <cstdio>
#include <fstream>

#include "core/check.h"

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

Record& Record::add_all(const Record& other) {
  fields_.insert(fields_.end(), other.fields_.begin(), other.fields_.end());
  return *this;
}

std::string Record::to_json() const {
  std::string text = "{";
  for (const auto& [key, value] : fields_) text += (text.size() > 1 ? ", " : "") + quoted(key) + ": " + value;
  return text + "}";
}

void Report::add(const Record& record) {
  std::fprintf(stderr, "%s\n", record.to_json().c_str());
  records_.push_back(record);
  records_.back().add_all(origin_);
  const std::string written = path_ + ".new";  // whoever ends this program finds a whole file
  std::ofstream file(written);
  file << to_json();
  file.close();
  check(file.good() && std::rename(written.c_str(), path_.c_str()) == 0, path_, ": cannot be written");
}

std::string Report::to_json() const {
  std::string text = "[";
  for (const Record& record : records_) text += (text.size() > 1 ? ",\n " : "\n ") + record.to_json();
  return text + "\n]\n";
}

}  // namespace gesso::bench
