// Reads and fills C structs that begin with `size_t struct_size`. The caller may have compiled with an older header,
// whose struct is shorter, or with a newer one, whose struct is longer. So fields can be added at the end of a struct.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "core/check.h"

namespace gesso {

// A larger struct_size was never set by the caller: it is whatever the memory held.
inline constexpr size_t kMaxStructSize = 4096;

// `first` is the struct's size in bytes in the first published version, and `current` its size in this version.
inline void check_struct_size(const char* name, size_t given, size_t first, size_t current) {
  check(given >= first && given <= kMaxStructSize, name, ".struct_size: expected ", current, " bytes (or from ", first,
        " on with an older header), got ", given);
}

// The caller's struct as this version knows it. Fields that the caller's struct is too short for come from `defaults`.
// ArgumentError for an impossible size, and for a longer struct whose additional bytes are not all zero.
template <typename Struct>
Struct read_struct(const char* name, const Struct* given, Struct defaults, size_t first_size) {
  if (!given) return defaults;
  const size_t size = given->struct_size, known = std::min(size, sizeof(Struct));
  check_struct_size(name, size, first_size, sizeof(Struct));
  const auto* bytes = reinterpret_cast<const unsigned char*>(given);
  check(std::all_of(bytes + known, bytes + size, [](unsigned char byte) { return byte == 0; }), name,
        ".struct_size: expected ", sizeof(Struct), " bytes, got ", size,
        " with a field set that this version of gesso does not know");
  std::memcpy(&defaults, given, known);
  return defaults;
}

// Fills a caller's struct of `size` bytes with `defaults`, as far as they fit. Bytes of the struct behind them become
// 0.
template <typename Struct>
void init_struct(const char* name, Struct* out, size_t size, Struct defaults, size_t first_size) {
  check(out != nullptr, name, ": expected a struct, got NULL");
  check_struct_size(name, size, first_size, sizeof(Struct));
  defaults.struct_size = size;
  std::memset(static_cast<void*>(out), 0, size);
  std::memcpy(static_cast<void*>(out), &defaults, std::min(size, sizeof(Struct)));
}

}  // namespace gesso
