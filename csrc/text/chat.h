// The prompt of a conversation in the published forms of the chat template, written without running the template.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gesso/tokenizer.h"

namespace gesso::text {

// What differs between the forms, as long as all messages are text.
struct ChatForm {
  bool has_empty_thought = false;  // a model's turn that is not to think begins with an empty thought
};

// The form of a chat template, or nullopt for one that is none of the published ones, to the byte. Only these are
// known, because a template that looks like one of them may write something else.
std::optional<ChatForm> chat_form(std::string_view chat_template);

// A piece of a prompt: what the template writes, or what somebody said.
struct ChatPiece {
  std::string text;
  bool is_markup;
};

// The pieces of the prompt. `bos` is how the vocabulary spells its <bos>. Throws an ArgumentError that names the
// message for everything that is no conversation of texts: see Tokenizer::encode_chat.
std::vector<ChatPiece> render_chat(const ChatForm& form, std::string_view bos, std::span<const ChatMessage> messages,
                                   const ChatOptions& options);

}  // namespace gesso::text
