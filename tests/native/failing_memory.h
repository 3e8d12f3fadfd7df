// Memory that runs out: allocations of operator new that fail on demand, in this whole program.
#pragma once

#include <cstdint>

namespace gesso::test {

// While it lives, the allocation with the index `which` fails, counted from 0 in all threads together. With
// `is_lasting` all later ones fail, too.
class FailingMemory {
 public:
  explicit FailingMemory(int64_t which, bool is_lasting = false);
  ~FailingMemory();
  FailingMemory(const FailingMemory&) = delete;
  FailingMemory& operator=(const FailingMemory&) = delete;

  // Whether an allocation has failed so far.
  bool has_failed() const;
};

}  // namespace gesso::test
