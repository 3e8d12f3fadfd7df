// Stacks for the threads of a block, which take turns on one thread of the host.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "context.h"

namespace gesso::emulator {

class Fiber {
 public:
  // `main` runs when something first switches to the fiber, and never returns. `index` staggers the stacks: were all at
  // the same distance from a page, the threads of a warp would compete for the same few lines of the cache.
  Fiber(void (*main)(), size_t index);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  Context& context() { return context_; }
  // The next switch enters `main` anew; what was on the stack is forgotten.
  void reset();
  // True for addresses below the stack: the thread has used it up.
  bool is_overflow(const void* address) const;

 private:
  void (*main_)();
  std::byte* memory_;
  size_t offset_;
  Context context_ = {};
};

// The fibers of one thread of the host. They are kept: a block takes what blocks before it have used.
class FiberPool {
 public:
  explicit FiberPool(void (*main)()) : main_(main) {}
  Fiber* take();
  void give_back(Fiber* fiber) { free_.push_back(fiber); }
  // After a failure: whatever the fibers were in the middle of is forgotten, and all are free.
  void reset();
  bool is_overflow(const void* address) const;

 private:
  void (*main_)();
  std::vector<std::unique_ptr<Fiber>> all_;
  std::vector<Fiber*> free_;
};

}  // namespace gesso::emulator
