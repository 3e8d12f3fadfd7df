// UTF-8 as Unicode defines it: no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/poll.h"

namespace gesso {

// What a reader knows after some bytes. The last four states are for characters whose second byte has a smaller range
// than the usual 0x80 to 0xBF.
enum class Utf8State : uint8_t {
  kComplete,   // all characters are complete; this is also the state at the start
  kInvalid,    // the bytes are not UTF-8, whatever follows
  kOneMore,    // one more byte is missing to the end of a character
  kTwoMore,    // two more bytes
  kThreeMore,  // three more bytes
  kAfterE0,    // two more bytes, after the lead byte 0xE0
  kAfterEd,    // two more bytes, after the lead byte 0xED
  kAfterF0,    // three more bytes, after the lead byte 0xF0
  kAfterF4,    // three more bytes, after the lead byte 0xF4
};

Utf8State next_utf8_state(Utf8State state, uint8_t byte);

// Returns the byte offset of the first character that is not valid UTF-8, or npos if all are valid.
size_t find_invalid_utf8(std::string_view text, Poll* poll = nullptr);

// The text as messages show it: bytes that are not UTF-8 and control characters become \xNN, but a line break stays.
std::string visible(std::string_view text);

// How many bytes a character has that begins with `lead`.
inline size_t utf8_length(char lead) {
  const auto byte = static_cast<uint8_t>(lead);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

}  // namespace gesso
