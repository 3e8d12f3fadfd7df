// What ops did while a Profile was in their context: the calls, time and work of each op, separately for each weight.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gesso {

// What a call has to move and multiply at least, in any implementation.
struct Work {
  double stored_bytes = 0;      // weights, and cached keys and values
  double activation_bytes = 0;  // float32 rows read and written, and new keys and values
  double float_operations = 0;  // multiplications and additions of products
  double int8_operations = 0;   // the same of products whose operands are both integers

  Work& operator+=(const Work& other) {
    stored_bytes += other.stored_bytes;
    activation_bytes += other.activation_bytes;
    float_operations += other.float_operations;
    int8_operations += other.int8_operations;
    return *this;
  }
};

// One thread at a time may use a profile, as the session that it belongs to.
class Profile {
 public:
  // The name of the op, and the data of the (first) weight that a call worked on; nullptr if it had none.
  using Key = std::pair<std::string_view, const void*>;
  struct Entry {
    int64_t calls = 0;
    double ms = 0;
    Work work;
    std::vector<std::string> plans;  // the ways in which a device computed the calls, each way once
  };

  // Called when an op begins; add() is called at its end.
  void begin() { plans_.clear(); }
  // A backend calls this once for each product of the op, and says how it computes the product.
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
  // Returns what was added since the last call.
  std::map<Key, Entry> take() { return std::exchange(entries_, {}); }

 private:
  std::map<Key, Entry> entries_;
  std::vector<std::string> plans_;  // of the call that is under way
};

}  // namespace gesso
