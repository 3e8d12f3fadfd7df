#include "core/utf8.h"

namespace gesso {
namespace {

Utf8State after_first_byte(uint8_t byte) {
  if (byte < 0x80) return Utf8State::kComplete;
  if (byte < 0xC2) return Utf8State::kInvalid;  // a continuation byte, or a lead byte that only overlong forms have
  if (byte < 0xE0) return Utf8State::kOneMore;
  if (byte == 0xE0) return Utf8State::kAfterE0;
  if (byte == 0xED) return Utf8State::kAfterEd;
  if (byte < 0xF0) return Utf8State::kTwoMore;
  if (byte == 0xF0) return Utf8State::kAfterF0;
  if (byte < 0xF4) return Utf8State::kThreeMore;
  return byte == 0xF4 ? Utf8State::kAfterF4 : Utf8State::kInvalid;
}

}  // namespace

Utf8State next_utf8_state(Utf8State state, uint8_t byte) {
  const auto expect = [byte](uint8_t low, uint8_t high, Utf8State next) {
    return byte >= low && byte <= high ? next : Utf8State::kInvalid;
  };
  switch (state) {
    case Utf8State::kComplete:
      return after_first_byte(byte);
    case Utf8State::kInvalid:
      return Utf8State::kInvalid;
    case Utf8State::kOneMore:
      return expect(0x80, 0xBF, Utf8State::kComplete);
    case Utf8State::kTwoMore:
      return expect(0x80, 0xBF, Utf8State::kOneMore);
    case Utf8State::kThreeMore:
      return expect(0x80, 0xBF, Utf8State::kTwoMore);
    case Utf8State::kAfterE0:  // with a byte below 0xA0 the form would be overlong
      return expect(0xA0, 0xBF, Utf8State::kOneMore);
    case Utf8State::kAfterEd:  // with a byte above 0x9F the character would be a surrogate
      return expect(0x80, 0x9F, Utf8State::kOneMore);
    case Utf8State::kAfterF0:  // with a byte below 0x90 the form would be overlong
      return expect(0x90, 0xBF, Utf8State::kTwoMore);
    case Utf8State::kAfterF4:  // with a byte above 0x8F the character would exceed U+10FFFF
      return expect(0x80, 0x8F, Utf8State::kTwoMore);
  }
  return Utf8State::kInvalid;
}

size_t find_invalid_utf8(std::string_view text, Poll* poll) {
  Utf8State state = Utf8State::kComplete;
  size_t character = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (poll) (*poll)();
    if (state == Utf8State::kComplete) character = i;
    state = next_utf8_state(state, static_cast<uint8_t>(text[i]));
    if (state == Utf8State::kInvalid) return character;
  }
  return state == Utf8State::kComplete ? std::string_view::npos : character;
}

std::string visible(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string result;
  for (size_t i = 0, length = 1; i < text.size(); i += length) {
    const auto lead = static_cast<uint8_t>(text[i]);
    length = utf8_length(text[i]);
    const std::string_view character = text.substr(i, length);
    const bool is_valid = find_invalid_utf8(character) == std::string_view::npos;
    if (!is_valid) length = 1;
    // Unicode has 32 controls behind ASCII, too: U+0080 to U+009F.
    const bool is_control = (lead < ' ' && lead != '\n') || lead == 0x7F || (lead == 0xC2 && character < "\xC2\xA0");
    if (is_valid && !is_control) {
      result += character;
      continue;
    }
    for (const char byte : text.substr(i, length)) {
      const auto value = static_cast<uint8_t>(byte);
      result += {'\\', 'x', kHex[value >> 4], kHex[value & 15]};
    }
  }
  return result;
}

}  // namespace gesso
