// The copies that a thread has started with cp.async and has not yet waited for.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

namespace gesso::emulator {

class ThreadCopies {
 public:
  // `global` is nullptr where zeros arrive.
  void start(void* shared, const void* global, size_t bytes);
  void commit();
  // Writes the copies of all groups except the `num_in_flight` youngest.
  void wait(int num_in_flight);
  // Forgets the copies that have not been written yet.
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
  std::vector<size_t> ends_;  // where each committed group ends in copies_
};

}  // namespace gesso::emulator
