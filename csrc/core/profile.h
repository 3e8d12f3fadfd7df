// What ops did while a Profile was in their context: calls, time and work of each op, apart by the weight it worked on.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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
    std::vector<std::string> plans;  // the ways in which a device computed the calls, each way once
  };

  // A call of an op has begun; its end is told by add().
  void begin() { plans_.clear(); }
  // A backend tells how it computes the call: once for each of its products.
  void note_plan(std::string plan) { plans_.push_back(std::move(plan)); }
  void add(const Key& key, double ms, const Work& work) {
    Entry& entry = entries_[key];
    ++entry.calls;
    entry.ms += ms;
    entry.work += work;
    for (std::string& plan : std::exchange(plans_, {})) {
      if (std::ranges::find(entry.plans, plan) == entry.plans.end()) entry.plans.push_back(std::move(plan));
    }
  }
  // What has been added since the last call.
  std::map<Key, Entry> take() { return std::exchange(entries_, {}); }

 private:
  std::map<Key, Entry> entries_;
  std::vector<std::string> plans_;  // of the call that is under way
};

}  // namespace gesso
