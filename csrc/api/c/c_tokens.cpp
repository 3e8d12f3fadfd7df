#include <cstring>

#include "api/c/c_objects.h"
#include "api/c/c_status.h"

using gesso::c::check_pointer;
using gesso::c::guarded;
using gesso::c::tokenizer_of;

struct gesso_decoder {
  gesso::StreamDecoder decoder;
  std::string text;  // what the last call gave
};

namespace {

const gesso::Tokenizer* tokenizer_or_null(const gesso_model* model) {
  return model && model->model.tokenizer() ? &*model->model.tokenizer() : nullptr;
}

template <typename Get>
int32_t id_or_none(const gesso_model* model, const Get& get) {
  const gesso::Tokenizer* tokenizer = tokenizer_or_null(model);
  return tokenizer ? get(*tokenizer).value_or(-1) : -1;
}

template <typename Decode>
gesso_status decode_some(gesso_decoder* decoder, const char** text, size_t* length, const Decode& decode) {
  return guarded([&] {
    check_pointer(decoder, "decoder");
    check_pointer(text, "text");
    check_pointer(length, "length");
    decoder->text = decode(decoder->decoder);
    *text = decoder->text.c_str();
    *length = decoder->text.size();
  });
}

// length_of(text, i) says how many bytes part i has.
template <typename LengthOf>
gesso_status encode(const gesso_model* model, const char* const* texts, const LengthOf& length_of,
                    const uint8_t* parse_special, size_t num_parts, int32_t* ids, size_t capacity, size_t* count) {
  return guarded([&] {
    check_pointer(count, "count");
    if (num_parts > 0) check_pointer(texts, "texts");
    if (num_parts > 0) check_pointer(parse_special, "parse_special");
    std::vector<gesso::TextPart> parts;
    for (size_t i = 0; i < num_parts; ++i) {
      const size_t length = length_of(texts[i], i);
      const std::string_view text = length > 0 ? std::string_view(texts[i], length) : std::string_view();
      parts.push_back({text, parse_special[i] != 0});
    }
    gesso::c::give_list(tokenizer_of(model).encode(parts), ids, capacity, count);
  });
}

}  // namespace

int32_t gesso_model_bos(const gesso_model* model) {
  return id_or_none(model, [](const gesso::Tokenizer& t) { return t.bos(); });
}
int32_t gesso_model_eos(const gesso_model* model) {
  return id_or_none(model, [](const gesso::Tokenizer& t) { return t.eos(); });
}
int32_t gesso_model_unk(const gesso_model* model) {
  return id_or_none(model, [](const gesso::Tokenizer& t) { return t.unk(); });
}
int32_t gesso_model_pad(const gesso_model* model) { return model ? model->model.config().pad_token_id : -1; }

int gesso_model_add_bos(const gesso_model* model) {
  const gesso::Tokenizer* tokenizer = tokenizer_or_null(model);
  return tokenizer && tokenizer->add_bos() && tokenizer->bos();
}

const int32_t* gesso_model_end_tokens(const gesso_model* model, size_t* count) {
  const std::vector<int32_t>* ids = model ? &model->model.config().generation.end_token_ids : nullptr;
  if (count) *count = ids ? ids->size() : 0;
  return ids ? ids->data() : nullptr;
}

int32_t gesso_model_find_token(const gesso_model* model, const char* token) {
  if (!token) return -1;
  return id_or_none(model, [&](const gesso::Tokenizer& t) { return t.find(token); });
}

int gesso_token_is_special(const gesso_model* model, int32_t id) {
  const gesso::Tokenizer* tokenizer = tokenizer_or_null(model);
  return tokenizer && id >= 0 && id < tokenizer->vocab_size() && tokenizer->is_special(id);
}

gesso_status gesso_token_text(const gesso_model* model, int32_t id, const char** text, size_t* length) {
  return guarded([&] {
    check_pointer(text, "text");
    check_pointer(length, "length");
    const std::string_view token = tokenizer_of(model).token(id);
    *text = token.data() ? token.data() : "";
    *length = token.size();
  });
}

gesso_status gesso_token_piece(const gesso_model* model, int32_t id, char* bytes, size_t capacity, size_t* count) {
  return guarded([&] {
    check_pointer(count, "count");
    const std::string piece = tokenizer_of(model).piece(id);
    if (bytes) std::copy_n(piece.begin(), std::min(capacity, piece.size()), bytes);
    *count = piece.size();
  });
}

gesso_status gesso_encode(const gesso_model* model, const char* text, int32_t* ids, size_t capacity, size_t* count) {
  const uint8_t parse_special = 1;
  const auto length = [](const char* given, size_t) {
    check_pointer(given, "text");
    return std::strlen(given);
  };
  return encode(model, &text, length, &parse_special, 1, ids, capacity, count);
}

gesso_status gesso_encode_parts(const gesso_model* model, const char* const* texts, const uint8_t* parse_special,
                                size_t num_parts, int32_t* ids, size_t capacity, size_t* count) {
  const auto length = [](const char* text, size_t i) {
    check_pointer(text, gesso::concat("texts[", i, "]").c_str());
    return std::strlen(text);
  };
  return encode(model, texts, length, parse_special, num_parts, ids, capacity, count);
}

gesso_status gesso_encode_bytes(const gesso_model* model, const char* const* texts, const size_t* num_bytes,
                                const uint8_t* parse_special, size_t num_parts, int32_t* ids, size_t capacity,
                                size_t* count) {
  const auto length = [&](const char* text, size_t i) {
    check_pointer(num_bytes, "num_bytes");
    if (num_bytes[i] > 0) check_pointer(text, gesso::concat("texts[", i, "]").c_str());
    return num_bytes[i];
  };
  return encode(model, texts, length, parse_special, num_parts, ids, capacity, count);
}

int gesso_model_knows_chat(const gesso_model* model) {
  const gesso::Tokenizer* tokenizer = tokenizer_or_null(model);
  return tokenizer && tokenizer->knows_chat();
}

gesso_status gesso_encode_chat(const gesso_model* model, const gesso_message* messages, size_t num_messages,
                               int enable_thinking, int add_generation_prompt, int32_t* ids, size_t capacity,
                               size_t* count) {
  return guarded([&] {
    check_pointer(count, "count");
    if (num_messages > 0) check_pointer(messages, "messages");
    std::vector<gesso::ChatMessage> copies;
    for (size_t i = 0; i < num_messages; ++i) {
      check_pointer(messages[i].role, gesso::concat("messages[", i, "].role").c_str());
      check_pointer(messages[i].content, gesso::concat("messages[", i, "].content").c_str());
      copies.push_back({messages[i].role, messages[i].content});
    }
    const gesso::ChatOptions options = {
        .enable_thinking = gesso::c::to_bool("enable_thinking", enable_thinking),
        .add_generation_prompt = gesso::c::to_bool("add_generation_prompt", add_generation_prompt)};
    gesso::c::give_list(tokenizer_of(model).encode_chat(copies, options), ids, capacity, count);
  });
}

gesso_status gesso_decode(const gesso_model* model, const int32_t* ids, size_t num_ids, char* text, size_t capacity,
                          size_t* count) {
  return guarded([&] {
    check_pointer(count, "count");
    if (num_ids > 0) check_pointer(ids, "ids");
    gesso::c::give_text(tokenizer_of(model).decode({ids, num_ids}), text, capacity, count);
  });
}

gesso_status gesso_decoder_create(const gesso_model* model, int keep_special, gesso_decoder** out) {
  return guarded([&] {
    check_pointer(out, "out");
    const bool skips = !gesso::c::to_bool("keep_special", keep_special);
    *out = new gesso_decoder{gesso::StreamDecoder(tokenizer_of(model), skips), {}};
  });
}

gesso_status gesso_decoder_push(gesso_decoder* decoder, const int32_t* ids, size_t num_ids, const char** text,
                                size_t* length) {
  return decode_some(decoder, text, length, [&](gesso::StreamDecoder& stream) {
    if (num_ids > 0) check_pointer(ids, "ids");
    return stream.push({ids, num_ids});
  });
}

gesso_status gesso_decoder_flush(gesso_decoder* decoder, const char** text, size_t* length) {
  return decode_some(decoder, text, length, [](gesso::StreamDecoder& stream) { return stream.flush(); });
}

void gesso_decoder_free(gesso_decoder* decoder) { delete decoder; }

const char* gesso_model_chat_template(const gesso_model* model, size_t* length) {
  const std::string* source = model && !model->chat_template.empty() ? &model->chat_template : nullptr;
  if (length) *length = source ? source->size() : 0;
  return source ? source->c_str() : nullptr;
}
