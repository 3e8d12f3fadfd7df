// Turns what a kernel must not touch into an error of its block.
#pragma once

namespace gesso::emulator {

// Takes the signals of wrong addresses from whoever has them now; what is no kernel's fault goes on to them.
void take_signals();

// Gives the calling thread a stack for signals: one may come because its own is used up.
void give_signal_stack();

}  // namespace gesso::emulator
