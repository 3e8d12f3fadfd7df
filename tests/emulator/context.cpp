#include "context.h"

#include <ucontext.h>

#include <cstdint>

namespace gesso::emulator {

#if GESSO_HAS_STACK_SWITCH

// This is twice as fast as _setjmp and _longjmp, which save more than is needed here. By the calling convention a
// function must keep only these six registers and the stack. A switch is a function call, so it has nothing else to
// save.
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
  // The stack must look as after a call: the address to return to lies below a multiple of 16. Nothing returns, so it
  // is null.
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

// In fortified builds _longjmp checks that a jump goes down the stack, which a switch between stacks does not. So this
// file is compiled without _FORTIFY_SOURCE.

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

// This function must not be inlined: a variable of the caller must not be kept in a register across _setjmp.
__attribute__((noinline)) void switch_context(Context& from, Context& to) {
  if (_setjmp(from.registers) != 0) return;
  if (to.main) enter(to);
  _longjmp(to.registers, 1);
}

void resume_context(Context& to) { _longjmp(to.registers, 1); }

#endif

}  // namespace gesso::emulator
