// UTF-8 as Unicode defines it: no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gesso::text {

// Where a reader stands after some bytes. The last four differ from kTwoMore and kThreeMore in the next byte's range.
enum class Utf8State : uint8_t {
  kComplete,  // between two characters; also the start
  kInvalid,   // no continuation can make the bytes valid
  kOneMore,   // inside a character: bytes missing
  kTwoMore,
  kThreeMore,
  kAfterE0,
  kAfterEd,
  kAfterF0,
  kAfterF4,
};

Utf8State next_utf8_state(Utf8State state, uint8_t byte);

// Offset of the first character that is not valid UTF-8, or npos.
size_t find_invalid_utf8(std::string_view text);

// Bytes of the character that starts with `lead`, which must be the first byte of valid UTF-8.
inline size_t utf8_length(char lead) {
  const auto byte = static_cast<uint8_t>(lead);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

}  // namespace gesso::text
