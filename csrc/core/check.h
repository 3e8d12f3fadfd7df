// Checks that throw: check(rows > 0, "rows: expected at least 1, got ", rows).
#pragma once

#include <cstdint>
#include <sstream>
#include <string>

#include "gesso/error.h"

namespace gesso {

// Concatenates anything that can be written to a stream. Error messages are built with it.
template <typename... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream stream;
  stream.exceptions(std::ios_base::badbit);  // else a text would lack its end where memory runs out
  (stream << ... << parts);
  return stream.str();
}

// Throws ArgumentError with the concatenated parts unless `condition` holds. The parts are only formatted on failure.
template <typename... Parts>
void check(bool condition, const Parts&... parts) {
  if (!condition) throw ArgumentError(concat(parts...));
}

// Throws FormatError with the concatenated parts unless `condition` holds.
template <typename... Parts>
void check_format(bool condition, const Parts&... parts) {
  if (!condition) throw FormatError(concat(parts...));
}

// Returns a * b, for sizes that come from a file. Throws a FormatError that names `what` when the product does not fit
// in 64 bits.
inline uint64_t checked_multiply(uint64_t a, uint64_t b, const char* what) {
  uint64_t product = 0;
  check_format(!__builtin_mul_overflow(a, b, &product), what, ": ", a, " * ", b, " overflows 64 bits");
  return product;
}

}  // namespace gesso
