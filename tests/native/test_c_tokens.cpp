// Token ids, pieces and texts in C.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "c_session.h"
#include "gesso/model.h"

namespace {

using gesso::test::Ids;
using gesso::test::Loaded;
using gesso::test::said;

std::string piece_of(const gesso_model* model, int32_t id) {
  size_t count = 0;
  REQUIRE(gesso_token_piece(model, id, nullptr, 0, &count) == GESSO_OK);
  std::string piece(count, '?');
  REQUIRE(gesso_token_piece(model, id, piece.data(), piece.size(), &count) == GESSO_OK);
  return piece;
}

Ids encode(const gesso_model* model, std::string_view text, uint8_t parse_special) {
  const char* first = text.data();
  const size_t num_bytes = text.size();
  Ids ids(64, -1);
  size_t count = 0;
  REQUIRE(gesso_encode_bytes(model, &first, &num_bytes, &parse_special, 1, ids.data(), ids.size(), &count) == GESSO_OK);
  ids.resize(count);
  return ids;
}

}  // namespace

TEST_CASE("special ids are those of the checkpoint, and -1 where there are none") {
  Loaded with(GESSO_BUNDLED_MODEL), without;
  CHECK(gesso_model_bos(with.model) == 2);
  CHECK(gesso_model_eos(with.model) == 1);
  CHECK(gesso_model_pad(with.model) == 0);
  CHECK(gesso_model_unk(with.model) == gesso_model_find_token(with.model, "<unk>"));
  CHECK(gesso_model_find_token(with.model, "<bos>") == 2);
  CHECK(gesso_model_find_token(with.model, "no such token") == -1);
  CHECK(gesso_model_find_token(with.model, nullptr) == -1);
  CHECK(gesso_model_add_bos(with.model) == 1);
  CHECK(gesso_token_is_special(with.model, 2) == 1);
  CHECK(gesso_token_is_special(with.model, 6) == 0);
  for (const int32_t id : {-1, 1 << 30}) CHECK(gesso_token_is_special(with.model, id) == 0);

  CHECK(gesso_model_bos(without.model) == -1);
  CHECK(gesso_model_find_token(without.model, "<bos>") == -1);
  CHECK(gesso_model_add_bos(without.model) == 0);
  size_t count = 0;
  CHECK(gesso_token_piece(without.model, 1, nullptr, 0, &count) == GESSO_ARGUMENT_ERROR);
  CHECK(said("this checkpoint has no tokenizer"));
}

TEST_CASE("a token has a spelling, and a piece of bytes") {
  Loaded loaded(GESSO_BUNDLED_MODEL);
  const gesso::Model same = gesso::Model::load(GESSO_BUNDLED_MODEL, {"cpu", 1});
  const auto vocab_size = static_cast<int32_t>(gesso_model_vocab_size(loaded.model));
  int num_bytes = 0;
  for (int32_t id = 0; id < vocab_size; ++id) {
    const char* text = nullptr;
    size_t length = 0;
    REQUIRE(gesso_token_text(loaded.model, id, &text, &length) == GESSO_OK);
    const std::string_view spelling(text, length);
    CHECK(spelling == same.tokenizer()->token(id));
    const std::string piece = piece_of(loaded.model, id);
    CHECK(piece == same.tokenizer()->piece(id));
    num_bytes += piece.size() == 1 && spelling.starts_with("<0x");
    // The text of one token alone is its piece, if that is UTF-8.
    const std::string decoded = same.tokenizer()->decode(std::array{id}, false);
    if (decoded.find("\uFFFD") == std::string::npos) CHECK(decoded == piece);
  }
  CHECK(num_bytes == 256);
  CHECK(piece_of(loaded.model, gesso_model_find_token(loaded.model, "<0x0A>")) == "\n");
  CHECK(piece_of(loaded.model, 2) == "<bos>");
  const char* text = nullptr;
  size_t length = 7;
  for (const int32_t id : {-1, vocab_size}) {
    CHECK(gesso_token_text(loaded.model, id, &text, &length) == GESSO_ARGUMENT_ERROR);
    CHECK(gesso_token_piece(loaded.model, id, nullptr, 0, &length) == GESSO_ARGUMENT_ERROR);
    CHECK(said("id: expected a token id from 0 to"));
  }
  CHECK(length == 7);
  char room[2] = {'?', '?'};
  REQUIRE(gesso_token_piece(loaded.model, 2, room, 1, &length) == GESSO_OK);
  CHECK(length == 5);
  CHECK(std::string(room, 2) == "<?");
}

TEST_CASE("a text of a given length may hold a NUL, and special tokens count as text") {
  Loaded loaded(GESSO_BUNDLED_MODEL);
  CHECK(encode(loaded.model, "<bos>1", 1) == Ids{2, 6});
  CHECK(encode(loaded.model, "<bos>1", 0) == Ids{76, 114, 127, 131, 78, 6});
  CHECK(encode(loaded.model, "", 1) == Ids{});
  const Ids with_nul = encode(loaded.model,
                              std::string_view("1\0"
                                               "1",
                                               3),
                              1);
  CHECK(with_nul.size() == 3);
  CHECK(piece_of(loaded.model, with_nul[1]) == std::string(1, '\0'));
  const char* texts[] = {"<bos>x", nullptr, "<bos>"};
  const size_t sizes[] = {5, 0, 5};
  const uint8_t flags[] = {1, 0, 0};
  size_t count = 0;
  Ids ids(8);
  REQUIRE(gesso_encode_bytes(loaded.model, texts, sizes, flags, 3, ids.data(), ids.size(), &count) == GESSO_OK);
  ids.resize(count);
  CHECK(ids == Ids{2, 76, 114, 127, 131, 78});
  texts[1] = "\xff";
  const size_t one = 1;
  count = 7;
  CHECK(gesso_encode_bytes(loaded.model, texts + 1, &one, flags, 1, nullptr, 0, &count) == GESSO_ARGUMENT_ERROR);
  CHECK(said("expected UTF-8"));
  const size_t huge = size_t{1} << 62;  // nothing of it is read
  CHECK(gesso_encode_bytes(loaded.model, texts, &huge, flags, 1, nullptr, 0, &count) == GESSO_ARGUMENT_ERROR);
  CHECK(said("text: expected at most"));
  CHECK(count == 7);
}

TEST_CASE("a decoder joins the bytes of characters that are cut anywhere") {
  Loaded loaded(GESSO_BUNDLED_MODEL);
  const std::string whole = "1<bos>\xf0\x9f\x98\x80 2";
  const Ids ids = encode(loaded.model, whole, 1);
  for (const int keep_special : {0, 1}) {
    gesso_decoder* decoder = nullptr;
    REQUIRE(gesso_decoder_create(loaded.model, keep_special, &decoder) == GESSO_OK);
    std::string joined;
    const char* text = nullptr;
    size_t length = 0;
    for (const int32_t id : ids) {
      REQUIRE(gesso_decoder_push(decoder, &id, 1, &text, &length) == GESSO_OK);
      CHECK(text[length] == '\0');
      joined.append(text, length);
    }
    const int32_t wrong[] = {6, -1};
    CHECK(gesso_decoder_push(decoder, wrong, 2, &text, &length) == GESSO_ARGUMENT_ERROR);
    CHECK(gesso_decoder_push(decoder, nullptr, 1, &text, &length) == GESSO_ARGUMENT_ERROR);
    REQUIRE(gesso_decoder_flush(decoder, &text, &length) == GESSO_OK);
    joined.append(text, length);
    CHECK(joined == (keep_special ? whole : "1\xf0\x9f\x98\x80 2"));
    gesso_decoder_free(decoder);
  }
  gesso_decoder* decoder = nullptr;
  CHECK(gesso_decoder_create(loaded.model, 2, &decoder) == GESSO_ARGUMENT_ERROR);
  CHECK(said("keep_special: expected 0 or 1"));
  CHECK(decoder == nullptr);
}

TEST_CASE("a model without a chat template has none, and one with it gives its source") {
  Loaded without;
  size_t length = 7;
  CHECK(gesso_model_chat_template(without.model, &length) == nullptr);
  CHECK(length == 0);
  Loaded with(GESSO_BUNDLED_MODEL);
  const gesso::Model same = gesso::Model::load(GESSO_BUNDLED_MODEL, {"cpu", 1});
  const char* source = gesso_model_chat_template(with.model, &length);
  const std::string_view expected = same.tokenizer()->chat_template();
  CHECK((source == nullptr) == expected.empty());
  if (source) CHECK(std::string_view(source, length) == expected);
}
