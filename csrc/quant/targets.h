// GESSO_COMPILE_FOR("avx2"): a function for one instruction set, and with it (`flatten`) all that it calls, so that
// inline functions of shared headers can be compiled for several. Defined where that works; with clang it does so for
// direct calls alone, and what they call would run in the baseline's instructions.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(GESSO_SINGLE_TARGET)
#define GESSO_COMPILE_FOR(target_name) __attribute__((target(target_name), flatten))
#endif
