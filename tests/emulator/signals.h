// Makes errors of the block out of the signals that a kernel's wrong addresses raise.
#pragma once

namespace gesso::emulator {

// Installs the handler of these signals. A signal that no kernel has caused goes on to the handler that was there
// before.
void take_signals();

// Gives the calling thread a stack for signal handlers: a signal may come because the thread's own stack is used up.
void give_signal_stack();

}  // namespace gesso::emulator
