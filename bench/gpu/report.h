// The output of a benchmark: a JSON list of flat records. Each has the device, the driver, the commit and the command.
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
  Record& add_all(const Record& other);

  std::string to_json() const;

 private:
  std::vector<std::pair<std::string, std::string>> fields_;  // key and value, the value as JSON
};

class Report {
 public:
  // `origin` is added to every record.
  Report(std::string path, Record origin) : path_(std::move(path)), origin_(std::move(origin)) {}

  // Also prints the record to stderr, and writes the file with it. Throws ArgumentError where that fails.
  void add(const Record& record);

 private:
  std::string to_json() const;

  std::string path_;
  Record origin_;
  std::vector<Record> records_;
};

}  // namespace gesso::bench
