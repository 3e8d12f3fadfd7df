// Forks share memory until one of the two writes; files of sessions that are damaged, foreign or hostile are refused.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "api/checksum.h"
#include "gesso/model.h"
#include "model/kv_cache.h"
#include "tiny_checkpoint.h"

namespace gesso {
namespace {

using tests::TinyCheckpoint;
using tests::TinySizes;
using Bytes = std::vector<std::byte>;
namespace fs = std::filesystem;

// It is removed when the test ends.
struct TemporaryFolder {
  fs::path path = fs::temp_directory_path() / ("gesso_session_" + std::to_string(::getpid()));
  TemporaryFolder() { fs::create_directory(path); }
  ~TemporaryFolder() { fs::remove_all(path); }

  int64_t num_files() const { return std::distance(fs::directory_iterator(path), fs::directory_iterator()); }
};

Model tiny_model(const TinySizes& sizes = {}) { return Model(TinyCheckpoint(sizes).get(), {"cpu", 1}); }

Session tiny_session(const Model& model) {
  Session session(model);
  session.encode({{5, 6, 7}});
  return session;
}

void check_refused(const Model& model, const Bytes& bytes, const char* message) {
  CHECK_THROWS_WITH_AS(Session::load(model, bytes), doctest::Contains(message), FormatError);
}

// Writes a number into the file, and makes the checksum right again.
Bytes with_number(Bytes bytes, size_t offset, uint64_t value) {
  std::memcpy(bytes.data() + offset, &value, sizeof(value));
  Checksum sum;
  sum.add(std::span(bytes).first(bytes.size() - sizeof(uint64_t)));
  value = sum.value();
  std::memcpy(bytes.data() + bytes.size() - sizeof(value), &value, sizeof(value));
  return bytes;
}

// Where numbers stand in a file of tiny_session().
constexpr size_t kVersion = 8, kFileBytes = 16, kModel = 24, kExtra = 32, kIsOnGpu = 40, kActivations = 48, kBatch = 56,
                 kLayers = 64;
constexpr size_t kLayout = 72, kIds = kLayout + 3 * 16, kLength = kIds + 8, kBegins = kLength + 8;

}  // namespace

TEST_CASE("a copy of a cache shares the rows until one of the two appends") {
  TinySizes sizes;
  const ModelConfig config = read_config(TinyCheckpoint(sizes).get());
  const ops::KeyValueLayout layout{{.num_key_value_heads = 1, .head_dim = 2}, 8, 8};
  const std::vector<ops::KeyValueLayout> layouts(config.layers.size(), layout);
  const Context context;
  model::KvCache cache(config, layouts);
  cache.append(context, 3);
  std::byte* rows = cache.layer(1).keys(0);
  std::memset(rows, 7, 3 * 8);
  {
    model::KvCache copy = cache;
    CHECK(copy.layer(1).keys(0) == rows);
    copy.append(context, 1);
    CHECK(copy.layer(1).keys(0) != rows);
    CHECK(std::memcmp(copy.layer(1).keys(0), rows, 3 * 8) == 0);
    CHECK(cache.length() == 3);
    CHECK(copy.length() == 4);
    const model::KvCache second = cache;
    cache.append(context, 1);
    CHECK(second.layer(1).keys(0) == rows);
    CHECK(cache.layer(1).keys(0) != rows);
  }
  rows = cache.layer(1).keys(0);
  { const model::KvCache third = cache; }
  cache.append(context, 1);  // nobody shares the rows any more
  CHECK(cache.layer(1).keys(0) == rows);
}

TEST_CASE("bytes have one checksum, in however many pieces they are added") {
  Bytes bytes(100);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i);
  const auto sum_of = [&](size_t piece) {
    Checksum sum;
    for (size_t i = 0; i < bytes.size(); i += piece) {
      sum.add(std::span(bytes).subspan(i, std::min(piece, bytes.size() - i)));
    }
    return sum.value();
  };
  for (const size_t piece : {1, 3, 7, 8, 9, 64}) CHECK(sum_of(piece) == sum_of(bytes.size()));
  const uint64_t before = sum_of(bytes.size());
  bytes.push_back(std::byte(0));
  CHECK(sum_of(bytes.size()) != before);
}

TEST_CASE("a session that is cut off anywhere is refused, and so is one with more behind it") {
  const Model model = tiny_model();
  const Bytes bytes = tiny_session(model).save();
  CHECK(Session::load(model, bytes).ids(0) == std::vector<int32_t>{5, 6, 7});
  for (size_t size = 1; size < bytes.size(); ++size) {
    check_refused(model, Bytes(bytes.begin(), bytes.begin() + static_cast<int64_t>(size)), "truncated");
  }
  check_refused(model, {}, "is no saved session");
  Bytes more = bytes;
  more.push_back(std::byte(0));
  check_refused(model, more, "followed by other bytes");
}

TEST_CASE("a session with any bit changed is refused") {
  const Model model = tiny_model();
  const Bytes bytes = tiny_session(model).save();
  for (size_t i = 0; i < bytes.size(); ++i) {
    Bytes changed = bytes;
    changed[i] ^= std::byte(1 << i % 8);
    CHECK_THROWS_AS(Session::load(model, changed), FormatError);
  }
}

TEST_CASE("a session says what differs from the model") {
  const Model model = tiny_model();
  const Bytes bytes = tiny_session(model).save();
  check_refused(model, with_number(bytes, 0, 0), "is no saved session");
  check_refused(model, with_number(bytes, kVersion, 2), "has version 2, expected 1");
  check_refused(model, with_number(bytes, kModel, 2), "saved with another model");
  check_refused(model, with_number(bytes, kExtra, 2), "saved with something beside the model");
  check_refused(model, with_number(bytes, kIsOnGpu, 1), "saved on a GPU, and the model is on the CPU");
  check_refused(model, with_number(bytes, kActivations, 0), "with activations f32, and the model has int8");
  check_refused(model, with_number(bytes, kActivations, 9), "with activations type 9");
  check_refused(model, with_number(bytes, kLayers, 2), "layout: expected 3 layers, got 2");
  check_refused(model, with_number(bytes, kLayout + 16, 64), "layout of layer 1: expected 32 + 32 bytes");
}

TEST_CASE("sizes that do not fit the file are refused before memory is taken") {
  const Model model = tiny_model();
  const Bytes bytes = tiny_session(model).save();
  constexpr uint64_t kHuge = uint64_t{1} << 62, kNegative = ~uint64_t{0};
  for (const uint64_t batch : {uint64_t{0}, kHuge, kNegative}) {
    check_refused(model, with_number(bytes, kBatch, batch), "sequences: expected 1 to 4096");
  }
  check_refused(model, with_number(bytes, kBatch, 2), "bytes");
  for (const uint64_t ids : {kHuge, kNegative, uint64_t{201}})
    check_refused(model, with_number(bytes, kIds, ids), "ids");
  for (const uint64_t length : {kHuge, kNegative, uint64_t{4}}) {
    check_refused(model, with_number(bytes, kLength, length), "expected 0 to 3 encoded ids");
  }
  for (const uint64_t begin : {kHuge, kNegative, uint64_t{1}}) {
    check_refused(model, with_number(bytes, kBegins, begin), "layer 0: expected rows from position 0");
  }
  check_refused(model, with_number(bytes, kIds, 2), "encoded ids");
  check_refused(model, with_number(bytes, kLength, 2), "behind the rows");
  check_refused(model, with_number(bytes, kBegins + 3 * 8, 1000), "outside the vocabulary");
}

TEST_CASE("a model is another one if its sizes or a weight differ") {
  const Bytes bytes = tiny_session(tiny_model()).save();
  CHECK_NOTHROW(Session::load(tiny_model(), bytes));  // the same file, loaded again
  TinySizes window, context;
  window.window = 6;
  context.context = 201;
  for (const TinySizes& sizes : {window, context}) check_refused(tiny_model(sizes), bytes, "another model");
}

TEST_CASE("a file that is not finished leaves nothing, and what was there stays") {
  const TemporaryFolder folder;
  const std::string path = folder.path / "chat";
  const Model model = tiny_model();
  const Session session = tiny_session(model);
  session.save(path);
  CHECK_THROWS_AS(session.save(path, [] { return true; }), Interrupted);
  CHECK_THROWS_AS(session.save([] { return true; }), Interrupted);
  CHECK_THROWS_AS(Session::load(model, path, [] { return true; }), Interrupted);
  CHECK(Session::load(model, path).ids() == session.ids());
  CHECK(folder.num_files() == 1);
}

TEST_CASE("a file that cannot be a session is refused by its first bytes, however long it is") {
  constexpr uint64_t kHuge = uint64_t{1} << 42;  // reading so many bytes would be an OutOfMemory
  const TemporaryFolder folder;
  const std::string path = folder.path / "huge";
  const Model model = tiny_model();
  const Bytes bytes = tiny_session(model).save();
  const auto check_huge = [&](const Bytes& start, const char* message) {
    std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(start.data()), std::ssize(start));
    REQUIRE(::truncate(path.c_str(), off_t{kHuge}) == 0);  // a hole behind them
    CHECK_THROWS_WITH_AS(Session::load(model, path), doctest::Contains(message), FormatError);
  };
  const Bytes right_size = with_number(bytes, kFileBytes, kHuge);
  check_huge({}, "huge: is no saved session");
  check_huge(with_number(bytes, kVersion, 2), "huge: the saved session has version 2");
  check_huge(bytes, "huge: the saved session is followed by other bytes");
  check_huge(with_number(right_size, kModel, 2), "huge: the session was saved with another model");
  check_huge(with_number(right_size, kLayout + 16, 64), "huge: layout of layer 1");
  check_huge(with_number(right_size, kBatch, 5000), "huge: sequences: expected 1 to 4096, got 5000");
}

TEST_CASE("a session replaces a saved one and an empty file, and no other file") {
  const TemporaryFolder folder;
  const std::string path = folder.path / "model";
  const Session session = tiny_session(tiny_model());
  const auto write = [&](const char* text) { std::ofstream(path, std::ios::binary) << text; };
  for (const char* text : {"GGUF and 17 GB of weights", "notes", "gessose"}) {
    write(text);
    const std::string message = path + ": exists and is no saved session; it is not overwritten";
    CHECK_THROWS_WITH_AS(session.save(path), message.c_str(), IoError);
    CHECK_THROWS_WITH_AS(Session::check_save(path), message.c_str(), IoError);
    CHECK(fs::file_size(path) == std::string_view(text).size());
  }
  write("");
  Session::check_save(path);
  CHECK((fs::file_size(path) == 0 && folder.num_files() == 1));
  CHECK_THROWS_WITH_AS(Session::check_save(path + "/none/state"), doctest::Contains("/none/state"), IoError);
  session.save(path);
  session.save(path);
  CHECK(fs::file_size(path) == session.save().size());
}

TEST_CASE("a session does not replace what is no regular file, and replaces a link") {
  const TemporaryFolder folder;
  const Model model = tiny_model();
  const Session session = tiny_session(model);
  const auto check_kept = [&](const std::string& path, fs::file_type type, const char* kind) {
    const std::string message = "cannot write " + path + ": expected a regular file, got " + kind;
    CHECK_THROWS_WITH_AS(session.save(path), message.c_str(), IoError);
    CHECK(fs::status(path).type() == type);
  };
  check_kept(folder.path, fs::file_type::directory, "a folder");
  const std::string pipe = folder.path / "pipe", link = folder.path / "link", file = folder.path / "file";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  check_kept(pipe, fs::file_type::fifo, "a pipe");
  fs::create_symlink("/dev/null", link);
  check_kept(link, fs::file_type::character, "a device");
  CHECK(fs::is_symlink(link));
  CHECK(folder.num_files() == 2);

  session.save(file);
  fs::remove(link);
  fs::create_symlink("file", link);
  Session longer = session.fork();
  longer.encode({{8}});
  longer.save(link);
  CHECK_FALSE(fs::is_symlink(link));
  CHECK(Session::load(model, link).ids() == longer.ids());
  CHECK(Session::load(model, file).ids() == session.ids());
}

}  // namespace gesso
