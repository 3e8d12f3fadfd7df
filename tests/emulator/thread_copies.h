// What a thread has started with cp.async and not yet waited for.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

namespace gesso::emulator {

class ThreadCopies {
 public:
  // `global` is nullptr for zeros.
  void start(void* shared, const void* global, size_t bytes);
  void commit();
  // Writes the copies of all groups but the `num_in_flight` youngest.
  void wait(int num_in_flight);
  // Forgets what is still on its way.
  void clear() {
    if (copies_.empty() && ends_.empty()) return;
    copies_.clear();
    ends_.clear();
  }

 private:
  struct Copy {
    void* shared;
    size_t bytes;
    std::array<std::byte, 16> data;
  };

  std::vector<Copy> copies_;
  std::vector<size_t> ends_;  // of the committed groups, in copies_
};

}  // namespace gesso::emulator
