// GESSO_COMPILE_FOR("avx2") compiles a function for one instruction set. The attribute `flatten` inlines all that the
// function calls, so inline functions of shared headers are compiled for each set that uses them. The macro is defined
// only where this works: GCC on x86-64. clang inlines direct calls only; what these call would be compiled for the
// baseline.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(GESSO_SINGLE_TARGET)
#define GESSO_COMPILE_FOR(target_name) __attribute__((target(target_name), flatten))
#endif
