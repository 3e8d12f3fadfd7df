// Device code is compiled with -fsanitize=alignment,bounds. The device refuses an address that is not a multiple of its
// type's size; the host may let it pass. Nothing else finds an index beyond a thread's own array. Code that is compiled
// so calls the functions below. They replace those of the compiler's library and name the kernel, the block and the
// thread.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "block.h"

namespace {

// The structs that the compiler passes.
struct Location {
  const char* file;
  uint32_t line;
  uint32_t column;
};

struct Type {
  uint16_t kind;
  uint16_t info;
  char name[1];  // the name's first byte; the others follow
};

struct Mismatch {
  Location location;
  const Type* type;
  uint8_t log2_alignment;
  uint8_t access;
};

struct OutOfBounds {
  Location location;
  const Type* array;
  const Type* index;
};

[[noreturn]] void report(const Location& location, const std::string& message) {
  const std::string path = location.file;
  const std::string place = path.substr(path.find_last_of('/') + 1) + ":" + std::to_string(location.line);
  const std::string text = message + " (" + place + ")";
  if (gesso::emulator::Block::is_running_here()) gesso::emulator::fail(text);
  std::fprintf(stderr, "%s\n", text.c_str());
  std::abort();
}

}  // namespace

extern "C" {

GESSO_EMULATOR_EXPORT void __ubsan_handle_type_mismatch_v1_abort(const Mismatch* data, uintptr_t address) {
  const uintptr_t alignment = uintptr_t{1} << data->log2_alignment;
  report(data->location, "misaligned: an address that is " + std::to_string(address % alignment) +
                             " more than a multiple of " + std::to_string(alignment) + ", for type " +
                             data->type->name);
}

GESSO_EMULATOR_EXPORT void __ubsan_handle_out_of_bounds_abort(const OutOfBounds* data, uintptr_t index) {
  report(data->location,
         "out of bounds: index " + std::to_string(static_cast<intptr_t>(index)) + " of an array " + data->array->name);
}

}  // extern "C"
