#include "context.h"

#include <ucontext.h>

#include <cstdint>

namespace gesso::emulator {

#if GESSO_HAS_STACK_SWITCH

// Twice as fast as _setjmp and _longjmp, whose work is mostly not needed here. A function that is called may change all
// registers but these six, so a switch, which is such a call, has nothing else to keep.
asm(R"(
.text
.p2align 4
.type gesso_switch_stack, @function
gesso_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size gesso_switch_stack, . - gesso_switch_stack
)");
extern "C" __attribute__((visibility("hidden"))) void gesso_switch_stack(void** left, void* entered);

namespace {

constexpr size_t kNumKept = 6;

}  // namespace

void prepare_context(Context& context, void* stack, size_t bytes, void (*main)()) {
  const uintptr_t end = (reinterpret_cast<uintptr_t>(stack) + bytes) / 64 * 64;
  // As after a call: 16-byte aligned before the address to return to, of which there is none.
  void** top = reinterpret_cast<void**>(end);
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(main);
  for (size_t i = 0; i < kNumKept; ++i) *--top = nullptr;
  context.stack = top;
}

void switch_context(Context& from, Context& to) { gesso_switch_stack(&from.stack, to.stack); }

void resume_context(Context& to) {
  void* forgotten;
  gesso_switch_stack(&forgotten, to.stack);
  __builtin_unreachable();
}

#else

// Both functions check in fortified builds that a jump goes down the stack, so this file is compiled without
// _FORTIFY_SOURCE.

void prepare_context(Context& context, void* stack, size_t bytes, void (*main)()) {
  context.main = main;
  context.stack = stack;
  context.bytes = bytes;
}

namespace {

[[noreturn]] void enter(Context& context) {
  ucontext_t entry;
  getcontext(&entry);
  entry.uc_stack.ss_sp = context.stack;
  entry.uc_stack.ss_size = context.bytes;
  entry.uc_link = nullptr;
  makecontext(&entry, context.main, 0);
  context.main = nullptr;
  setcontext(&entry);
  __builtin_unreachable();
}

}  // namespace

// Not inlined: a caller's variables must not live in registers across _setjmp.
__attribute__((noinline)) void switch_context(Context& from, Context& to) {
  if (_setjmp(from.registers) != 0) return;
  if (to.main) enter(to);
  _longjmp(to.registers, 1);
}

void resume_context(Context& to) { _longjmp(to.registers, 1); }

#endif

}  // namespace gesso::emulator
