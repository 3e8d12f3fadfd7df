// C structs that begin with `size_t struct_size`, so that fields can be added at their end: what a caller with an older
// or a newer header hands in, and gets filled.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "core/check.h"

namespace gesso {

// A struct_size beyond this is not a size, but memory that nobody has set.
inline constexpr size_t kMaxStructSize = 4096;

// `first` bytes had the struct of the first published version, `current` has that of this one.
inline void check_struct_size(const char* name, size_t given, size_t first, size_t current) {
  check(given >= first && given <= kMaxStructSize, name, ".struct_size: expected ", current, " bytes (or from ", first,
        " on with an older header), got ", given, "; ", name, "_init sets it");
}

// A caller's struct as this version knows it. Fields that the caller's struct is too short for come from `defaults`.
// ArgumentError for a size that cannot be, and for a longer struct whose additional bytes are not all zero.
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

// Fills a caller's struct of `size` bytes: with as much of `defaults` as it holds, and with zeros behind that.
template <typename Struct>
void init_struct(const char* name, Struct* out, size_t size, Struct defaults, size_t first_size) {
  check(out != nullptr, name, ": expected a struct, got NULL");
  check_struct_size(name, size, first_size, sizeof(Struct));
  defaults.struct_size = size;
  std::memset(static_cast<void*>(out), 0, size);
  std::memcpy(static_cast<void*>(out), &defaults, std::min(size, sizeof(Struct)));
}

}  // namespace gesso
