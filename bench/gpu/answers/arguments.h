// The values of a program's arguments.
#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/check.h"

namespace gesso::bench {

inline int64_t whole_number(const std::string& name, std::string_view text, int64_t least) {
  int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [next, error] = std::from_chars(text.data(), end, number);
  check(error == std::errc() && next == end && number >= least, name, ": expected a whole number from ", least,
        " on, got \"", text, "\"");
  return number;
}

}  // namespace gesso::bench
