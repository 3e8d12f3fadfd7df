// What ops did while a Profile was in their context: calls, time and work of each op, apart by the weight it worked on.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <utility>

namespace gesso {

// What a call moves and multiplies at least, whatever the implementation.
struct Work {
  double stored_bytes = 0;      // weights, and cached keys and values
  double activation_bytes = 0;  // float32 rows read and written, and new keys and values
  double float_operations = 0;  // multiplications and additions of products
  double int8_operations = 0;   // the same of those whose operands are both integers

  Work& operator+=(const Work& other) {
    stored_bytes += other.stored_bytes;
    activation_bytes += other.activation_bytes;
    float_operations += other.float_operations;
    int8_operations += other.int8_operations;
    return *this;
  }
};

// For one thread at a time, as the session it belongs to.
class Profile {
 public:
  // `weight` is the data of the (first) weight that a call worked on; nullptr if it had none.
  using Key = std::pair<std::string_view, const void*>;
  struct Entry {
    int64_t calls = 0;
    double ms = 0;
    Work work;
  };

  void add(const Key& key, double ms, const Work& work) {
    Entry& entry = entries_[key];
    ++entry.calls;
    entry.ms += ms;
    entry.work += work;
  }
  // What has been added since the last call.
  std::map<Key, Entry> take() { return std::exchange(entries_, {}); }

 private:
  std::map<Key, Entry> entries_;
};

}  // namespace gesso
