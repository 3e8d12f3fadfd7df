// What gesso_gpu_answers prints.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace gesso::bench {

// One JSON object, its fields in the order in which they were added.
class Record {
 public:
  Record& add(const std::string& key, const std::string& text);
  Record& add(const std::string& key, const char* text) { return add(key, std::string(text)); }
  Record& add(const std::string& key, double number);  // written as null unless finite
  Record& add(const std::string& key, int64_t number);
  Record& add(const std::string& key, int number) { return add(key, static_cast<int64_t>(number)); }

  std::string to_json() const;

 private:
  std::vector<std::pair<std::string, std::string>> fields_;  // key and value, the value as JSON
};

}  // namespace gesso::bench
