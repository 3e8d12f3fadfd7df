// A context is the state of a thread of the host on one stack, which it has left to run on another. A switch between
// contexts makes no system call.
#pragma once

#include <setjmp.h>

#include <cstddef>

namespace gesso::emulator {

#if defined(__x86_64__) && !defined(GESSO_SINGLE_TARGET)
#define GESSO_HAS_STACK_SWITCH 1
#else
#define GESSO_HAS_STACK_SWITCH 0
#endif

#if GESSO_HAS_STACK_SWITCH
struct Context {
  void* stack;  // the top of the left stack, where the registers that a function must keep are saved
};
#else
struct Context {
  jmp_buf registers;
  void (*main)();  // nullptr after the first switch to this context
  void* stack;
  size_t bytes;
};
#endif

// Makes the first switch to `context` enter `main` on the given stack. `main` must never return.
void prepare_context(Context& context, void* stack, size_t bytes, void (*main)());

// Saves the caller in `from` and continues `to`. The call returns when something switches to `from`.
void switch_context(Context& from, Context& to);

// Continues `to` and forgets the caller. Something must have switched to `to` before.
[[noreturn]] void resume_context(Context& to);

}  // namespace gesso::emulator
