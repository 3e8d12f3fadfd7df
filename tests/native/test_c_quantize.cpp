// Files with other types, as C makes them. What is in them: test_quantize_file.cpp.
#include <doctest/doctest.h>

#include <cstring>
#include <string>

#include "c_session.h"
#include "folder.h"
#include "gesso/quantize_file.h"

namespace {

using gesso::test::content;
using gesso::test::Folder;
using gesso::test::said;

struct Progress {
  int64_t done = 0, total = 0;
  int calls = 0, most_calls = 1 << 30;

  static int report(void* self, const char* tensor, int64_t done, int64_t total) {
    auto& progress = *static_cast<Progress*>(self);
    CHECK(std::strlen(tensor) > 0);
    CHECK(done > progress.done);
    progress.done = done;
    progress.total = total;
    return ++progress.calls < progress.most_calls;
  }
};

gesso_quantize_options with(Progress& progress) {
  gesso_quantize_options options;
  REQUIRE(gesso_quantize_options_init(&options, sizeof options) == GESSO_OK);
  options.on_progress = Progress::report;
  options.user_data = &progress;
  return options;
}

}  // namespace

TEST_CASE("C writes the file that C++ writes") {
  const Folder folder;
  Progress progress;
  gesso_quantize_options options = with(progress);
  options.num_threads = 2;
  options.no_mmap = 1;
  const std::string out = folder.file("c"), expected = folder.file("cpp");
  REQUIRE(gesso_quantize_file(GESSO_BUNDLED_MODEL, out.c_str(), "Q4_K_M", &options) == GESSO_OK);
  gesso::quantize_file(GESSO_BUNDLED_MODEL, expected, "Q4_K_M");
  CHECK(content(out) == content(expected));
  CHECK(progress.calls > 1);
  CHECK(progress.done == progress.total);
  REQUIRE(gesso_quantize_file(GESSO_BUNDLED_MODEL, out.c_str(), "F16", nullptr) == GESSO_OK);
  CHECK(content(out) != content(expected));
}

TEST_CASE("a callback of C ends the writing") {
  const Folder folder;
  Progress progress;
  progress.most_calls = 3;
  const gesso_quantize_options options = with(progress);
  CHECK(gesso_quantize_file(GESSO_BUNDLED_MODEL, folder.file("a").c_str(), "F16", &options) == GESSO_INTERRUPTED);
  CHECK(progress.calls == 3);
  CHECK(folder.num_files() == 0);
}

TEST_CASE("the presets have names") {
  size_t count = 0;
  bool has_q4 = false;
  while (const char* name = gesso_preset_name(count)) {
    has_q4 |= std::string(name) == "Q4_K_M";
    CHECK(gesso_preset_name(count++) == name);
  }
  CHECK(has_q4);
  CHECK(count == 10);
  CHECK(gesso_preset_name(SIZE_MAX) == nullptr);
}

TEST_CASE("what C cannot quantise") {
  const Folder folder;
  const std::string out = folder.file("a");
  const auto quantize = [&](const char* source, const char* preset, gesso_quantize_options options) {
    return gesso_quantize_file(source, out.c_str(), preset, &options);
  };
  gesso_quantize_options options;
  REQUIRE(gesso_quantize_options_init(&options, sizeof options) == GESSO_OK);
  CHECK(quantize(GESSO_BUNDLED_MODEL, "Q4", options) == GESSO_ARGUMENT_ERROR);
  CHECK(said("unknown preset 'Q4'"));
  CHECK(quantize("/nothing", "F16", options) == GESSO_IO_ERROR);
  CHECK(said("/nothing"));
  options.no_mmap = 2;
  CHECK(quantize(GESSO_BUNDLED_MODEL, "F16", options) == GESSO_ARGUMENT_ERROR);
  CHECK(said("gesso_quantize_options.no_mmap"));
  options.no_mmap = 0;
  options.imatrix = GESSO_BUNDLED_MODEL;
  CHECK(quantize(GESSO_BUNDLED_MODEL, "F16", options) == GESSO_FORMAT_ERROR);
  CHECK(said("general.type"));
  for (const size_t size : {size_t{0}, sizeof options - 1, size_t{4097}}) {
    options.struct_size = size;
    CHECK(quantize(GESSO_BUNDLED_MODEL, "F16", options) == GESSO_ARGUMENT_ERROR);
    CHECK(said("gesso_quantize_options.struct_size: expected " + std::to_string(sizeof options)));
    CHECK(gesso_quantize_options_init(&options, size) == GESSO_ARGUMENT_ERROR);
  }
  CHECK(folder.num_files() == 0);
}
