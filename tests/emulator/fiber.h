// Stacks for the threads of a block, which take turns on one thread of the host.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "context.h"

namespace gesso::emulator {

class Fiber {
 public:
  // `main` runs when something first switches to the fiber. It must never return. `index` staggers the stacks: if all
  // began at the same distance from a page, the threads of a warp would compete for the same few cache lines.
  Fiber(void (*main)(), size_t index);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  Context& context() { return context_; }
  // Makes the next switch enter `main` anew. The content of the stack is forgotten.
  void reset();
  // True for addresses below the stack: a thread has used the whole stack.
  bool is_overflow(const void* address) const;

 private:
  void (*main_)();
  std::byte* memory_;
  size_t offset_;
  Context context_ = {};
};

// The fibers of one thread of the host. They are kept, so that a block reuses those of the blocks before it.
class FiberPool {
 public:
  explicit FiberPool(void (*main)()) : main_(main) {}
  Fiber* take();
  void give_back(Fiber* fiber) { free_.push_back(fiber); }
  // For use after a failure: forgets what the fibers were doing. All of them are free then.
  void reset();
  bool is_overflow(const void* address) const;

 private:
  void (*main_)();
  std::vector<std::unique_ptr<Fiber>> all_;
  std::vector<Fiber*> free_;
};

}  // namespace gesso::emulator
