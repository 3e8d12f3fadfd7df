#include "signals.h"

#include <signal.h>
#include <unistd.h>

#include <cstring>
#include <memory>

#include "block.h"
#include "heap.h"

namespace gesso::emulator {
namespace {

constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGFPE};
constexpr size_t kStackBytes = 64 * 1024;

struct sigaction previous[3];

int index_of(int signal) { return signal == SIGSEGV ? 0 : signal == SIGBUS ? 1 : 2; }

// The signal comes from the host's code. If the host touched device memory, this says so. In either case the
// instruction will fail again, and the handler that was there before gets the signal.
void report_host(int signal, const void* address) {
  Heap::Range range;
  if (signal == SIGSEGV && Heap::instance().find(address, &range) && range.kind == MemoryKind::kDevice) {
    const char text[] = "emulator: the host touched device memory\n";
    static_cast<void>(!write(STDERR_FILENO, text, sizeof(text) - 1));
  }
  sigaction(signal, &previous[index_of(signal)], nullptr);
}

void on_signal(int signal, siginfo_t* info, void*) {
  if (Block::is_running_here()) Block::mine().stop_at_signal(signal, info->si_addr);
  report_host(signal, info->si_addr);
}

}  // namespace

void take_signals() {
  for (int signal : kSignals) {
    struct sigaction current;
    sigaction(signal, nullptr, &current);
    if ((current.sa_flags & SA_SIGINFO) && current.sa_sigaction == on_signal) continue;
    previous[index_of(signal)] = current;
    struct sigaction ours = {};
    ours.sa_sigaction = on_signal;
    // The handler is left by a jump, so the signal must not be blocked while it runs.
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigaction(signal, &ours, nullptr);
  }
}

void give_signal_stack() {
  stack_t current;
  sigaltstack(nullptr, &current);
  if (!(current.ss_flags & SS_DISABLE)) return;
  static thread_local std::unique_ptr<char[]> stack(new char[kStackBytes]);
  stack_t ours = {};
  ours.ss_sp = stack.get();
  ours.ss_size = kStackBytes;
  sigaltstack(&ours, nullptr);
}

}  // namespace gesso::emulator
