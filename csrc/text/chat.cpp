#include "text/chat.h"

#include <algorithm>
#include <array>

#include "core/check.h"
#include "core/utf8.h"
#include "io/metadata.h"
#include "text/sha256.h"

namespace gesso::text {
namespace {

struct KnownTemplate {
  std::string_view sha256;
  ChatForm form;
};

constexpr KnownTemplate kKnownTemplates[] = {
    // The three revisions of Google's template. The first has 17466 bytes, the second 17336, the third 18683.
    {"36e3a42e5cf14cd0020e72d92e1fdd9970f59b82170e421f0cbe1bb42bead3f0", {true}},
    {"2f1b4d75d067bae3fe44e676721c7f077d243bc007156cb9c2f8b5836613d082", {false}},
    {"ae53464bf3be25802b3a5b37def7fd89667067d7577049b3b2d74c4d8de4c6d4", {true}},
    // That of models that gesso makes itself: python/gesso/synth/chat_template.jinja.
    {"e524ad90332c3ea8eb82522739ba31395153dfc2433960538c8c4d0b030b5b8c", {false}}};

// What Jinja's filter `trim` takes away: Python's white space, as UTF-8.
constexpr std::string_view kSpaces[] = {" ",      "\t",     "\n",     "\v",     "\f",     "\r",     "\x1c",   "\x1d",
                                        "\x1e",   "\x1f",   "\u0085", "\u00a0", "\u1680", "\u2000", "\u2001", "\u2002",
                                        "\u2003", "\u2004", "\u2005", "\u2006", "\u2007", "\u2008", "\u2009", "\u200a",
                                        "\u2028", "\u2029", "\u202f", "\u205f", "\u3000"};

std::string_view trim(std::string_view text) {
  const auto find = [&](auto has) { return std::find_if(std::begin(kSpaces), std::end(kSpaces), has); };
  const auto* const end = std::end(kSpaces);
  for (const auto* space = end; (space = find([&](auto of) { return text.starts_with(of); })) != end;) {
    text.remove_prefix(space->size());
  }
  for (const auto* space = end; (space = find([&](auto of) { return text.ends_with(of); })) != end;) {
    text.remove_suffix(space->size());
  }
  return text;
}

// A reply without its thoughts: what is between "<|channel>" and "<channel|>", or the end.
std::string spoken(std::string_view text) {
  constexpr std::string_view kOpening = "<|channel>", kClosing = "<channel|>";
  std::string rest;
  while (true) {
    const size_t end = text.find(kClosing);
    const std::string_view piece = text.substr(0, end);
    rest += piece.substr(0, piece.find(kOpening));
    if (end == std::string_view::npos) return std::string(trim(rest));
    text.remove_prefix(end + kClosing.size());
  }
}

bool is_system(const ChatMessage& message) { return message.role == "system" || message.role == "developer"; }

void check_conversation(std::span<const ChatMessage> messages) {
  check(!messages.empty(), "messages: expected at least one, got none");
  for (size_t i = 0; i < messages.size(); ++i) {
    const std::string& role = messages[i].role;
    check(role == "user" || role == "assistant" || is_system(messages[i]), "messages[", i,
          "].role: expected \"system\", \"developer\", \"user\" or \"assistant\", got ", io::quoted(role),
          "; only the template itself writes others, such as the results of tools");
    check(i == 0 || !is_system(messages[i]), "messages[", i, "].role: expected ", io::quoted(role),
          " in the first message alone");
    check(i == 0 || role != "assistant" || messages[i - 1].role != "assistant", "messages[", i,
          "].role: expected a message of the user between two of the assistant");
    const size_t invalid = find_invalid_utf8(messages[i].content);
    check(invalid == std::string_view::npos, "messages[", i,
          "].content: expected UTF-8, got an invalid character at byte ", invalid);
  }
}

}  // namespace

std::optional<ChatForm> chat_form(std::string_view chat_template) {
  if (chat_template.empty()) return std::nullopt;
  const std::string sum = sha256(chat_template);
  for (const KnownTemplate& known : kKnownTemplates) {
    if (known.sha256 == sum) return known.form;
  }
  return std::nullopt;
}

std::vector<ChatPiece> render_chat(const ChatForm& form, std::string_view bos, std::span<const ChatMessage> messages,
                                   const ChatOptions& options) {
  check_conversation(messages);
  std::vector<ChatPiece> pieces = {{std::string(bos), true}};
  const auto add_turn = [&](std::string opening, std::string said) {
    pieces.push_back({"<|turn>" + opening, true});
    pieces.push_back({std::move(said), false});
    pieces.push_back({"<turn|>\n", true});
  };
  const bool has_system = is_system(messages[0]);
  if (has_system || options.enable_thinking) {
    const std::string_view said = has_system ? messages[0].content : std::string_view();
    add_turn(options.enable_thinking ? "system\n<|think|>\n" : "system\n", std::string(trim(said)));
  }
  for (const ChatMessage& message : messages.subspan(has_system ? 1 : 0)) {
    if (message.role == "assistant") {
      add_turn("model\n", spoken(message.content));
    } else {
      add_turn("user\n", std::string(trim(message.content)));
    }
  }
  if (options.add_generation_prompt) {
    const bool is_empty_thought = form.has_empty_thought && !options.enable_thinking;
    pieces.push_back({is_empty_thought ? "<|turn>model\n<|channel>thought\n<channel|>" : "<|turn>model\n", true});
  }
  return pieces;
}

}  // namespace gesso::text
