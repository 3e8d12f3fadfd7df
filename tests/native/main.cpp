// The main function of the native tests.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

// The sanitizers ask these functions for options. Where memory cannot be had, their allocators would end the program;
// tests want to see OutOfMemory.
#define GESSO_EXPORTED extern "C" __attribute__((visibility("default")))
GESSO_EXPORTED const char* __asan_default_options() { return "allocator_may_return_null=1"; }
GESSO_EXPORTED const char* __tsan_default_options() { return "allocator_may_return_null=1"; }
