// Sessions in C that are saved and loaded: C++ continues them bit for bit, and C those of C++.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "c_session.h"
#include "gesso/model.h"

namespace {

using gesso::test::Ids;
using gesso::test::InC;
using gesso::test::kModel;
using gesso::test::Loaded;
using gesso::test::said;
using gesso::test::short_options;

struct SavedPath {
  std::string path = "/tmp/gesso_test_c_" + std::to_string(::getpid()) + ".session";
  ~SavedPath() { std::filesystem::remove(path); }

  std::string bytes() const {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
};

gesso::GenerationOptions short_options_in_cpp() {
  gesso::GenerationOptions options;
  options.max_new_tokens = 1;
  options.max_denoising_steps = 3;
  return options;
}

}  // namespace

TEST_CASE("C++ continues a session that C has saved, and C one of C++") {
  Loaded loaded;
  const SavedPath saved;
  const gesso_options options = short_options();
  InC session(loaded.model, 2);
  REQUIRE(session.generate({{5, 6, 7}, {8}}, &options) == GESSO_OK);
  REQUIRE(gesso_session_save(session.session, saved.path.c_str()) == GESSO_OK);

  const gesso::Model model = gesso::Model::load(kModel, {"cpu", 1});
  gesso::Session in_cpp = gesso::Session::load(model, saved.path);
  CHECK(in_cpp.ids(0) == session.ids(0));
  gesso_session* made = nullptr;
  REQUIRE(gesso_session_load(loaded.model, saved.path.c_str(), &made) == GESSO_OK);
  InC in_c(made);
  REQUIRE(session.generate({{9}, {10}}, &options) == GESSO_OK);
  REQUIRE(in_c.generate({{9}, {10}}, &options) == GESSO_OK);
  const gesso::GenerationResult generated = in_cpp.generate({{9}, {10}}, short_options_in_cpp());
  for (const size_t i : {0, 1}) {
    CHECK(in_c.texts[i] == session.texts[i]);
    CHECK(generated.results[i].ids == session.texts[i]);
    CHECK(in_cpp.ids(static_cast<int64_t>(i)) == session.ids(static_cast<int64_t>(i)));
  }

  // Both write the same bytes: what they hold is equal, also the cache.
  const std::vector<std::byte> of_cpp = in_cpp.save();
  gesso_bytes* of_c = nullptr;
  REQUIRE(gesso_session_save_bytes(in_c.session, &of_c) == GESSO_OK);
  size_t num_bytes = 0;
  const void* data = gesso_bytes_data(of_c, &num_bytes);
  REQUIRE(num_bytes == of_cpp.size());
  CHECK(std::memcmp(data, of_cpp.data(), num_bytes) == 0);
  gesso_bytes_free(of_c);

  REQUIRE(gesso_session_load_bytes(loaded.model, of_cpp.data(), of_cpp.size(), &made) == GESSO_OK);
  InC from_cpp(made);
  REQUIRE(from_cpp.generate({}, &options) == GESSO_OK);
  REQUIRE(session.generate({}, &options) == GESSO_OK);
  CHECK(from_cpp.texts == session.texts);
}

TEST_CASE("a saved session that is damaged, truncated, or of another model is refused") {
  Loaded loaded;
  const SavedPath saved;
  InC session(loaded.model);
  REQUIRE(session.encode({{5, 6, 7}}) == GESSO_OK);
  REQUIRE(gesso_session_save(session.session, saved.path.c_str()) == GESSO_OK);
  const std::string whole = saved.bytes();
  gesso_session* made = nullptr;
  const auto refused = [&](const std::string& bytes, const char* text) {
    CHECK(gesso_session_load_bytes(loaded.model, bytes.data(), bytes.size(), &made) == GESSO_FORMAT_ERROR);
    CHECK_MESSAGE(said(text), gesso_last_error());
    std::ofstream(saved.path, std::ios::binary) << bytes;
    CHECK(gesso_session_load(loaded.model, saved.path.c_str(), &made) == GESSO_FORMAT_ERROR);
    CHECK_MESSAGE(said(text), gesso_last_error());
  };
  std::string damaged = whole;
  damaged[whole.size() / 2] ^= 1;
  refused(damaged, "its checksum is wrong");
  for (const size_t size : {whole.size() - 1, whole.size() / 2, size_t{73}}) {
    refused(whole.substr(0, size), "truncated");
  }
  refused("", "is no saved session");
  refused("no session at all", "is no saved session");
  refused(whole + "x", "is followed by other bytes");
  Loaded other(GESSO_BUNDLED_MODEL);
  CHECK(gesso_session_load_bytes(other.model, whole.data(), whole.size(), &made) == GESSO_FORMAT_ERROR);
  CHECK(said("the session was saved with another model"));
  CHECK(gesso_session_load(loaded.model, "/no/such/session", &made) == GESSO_IO_ERROR);
  CHECK(gesso_session_save(session.session, "/no/such/folder/session") == GESSO_IO_ERROR);
  CHECK(gesso_session_save(session.session, "") == GESSO_ARGUMENT_ERROR);
  CHECK(gesso_session_check_save("/no/such/folder/session") == GESSO_IO_ERROR);
  CHECK(gesso_session_check_save(saved.path.c_str()) == GESSO_OK);
  CHECK(made == nullptr);
}
