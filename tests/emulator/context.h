// A place where a thread of the host has been left to run elsewhere, on another stack. Switching takes no system call.
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
  void* stack;  // with the registers that a function must keep on top
};
#else
struct Context {
  jmp_buf registers;
  void (*main)();  // nullptr once it has been entered
  void* stack;
  size_t bytes;
};
#endif

// The first switch to `context` enters `main` on the stack. `main` never returns.
void prepare_context(Context& context, void* stack, size_t bytes, void (*main)());

// Leaves the caller in `from` and goes on in `to`; returns when something switches to `from`.
void switch_context(Context& from, Context& to);

// Goes on in `to` and forgets the caller. `to` has been entered before.
[[noreturn]] void resume_context(Context& to);

}  // namespace gesso::emulator
