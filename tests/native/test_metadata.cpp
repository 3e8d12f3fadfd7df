#include <doctest/doctest.h>

#include "gesso/error.h"
#include "io/metadata.h"

namespace gesso::io {
namespace {

using Strings = std::vector<std::string_view>;

Metadata example() {
  Metadata metadata;
  metadata.add("int", int64_t{48});
  metadata.add("whole", 48.0);
  metadata.add("half", 0.5);
  metadata.add("huge", 1e300);
  metadata.add("true", true);
  metadata.add("text", std::string_view("text"));
  metadata.add("int text", std::string_view("-48"));
  metadata.add("float text", std::string_view("4.8e1"));
  metadata.add("false text", std::string_view("false"));
  static const std::vector<int64_t> ints = {1, 2};
  static const std::vector<double> floats = {0.5};
  metadata.add("ints", ints);
  metadata.add("floats", floats);
  metadata.add("strings", Strings{"a", "b"});
  metadata.add("nested", std::monostate());
  return metadata;
}

TEST_CASE("an integer is read from any integer, from a float without a fraction and from text") {
  const Metadata metadata = example();
  CHECK(metadata.get_int("int") == 48);
  CHECK(metadata.get_int("whole") == 48);
  CHECK(metadata.get_int("int text") == -48);
  CHECK(metadata.get_int("float text") == 48);
  CHECK(metadata.get_int("absent", 7) == 7);
  CHECK(metadata.get_int("int", 7) == 48);
  for (const char* key : {"half", "huge", "true", "text", "ints", "nested"})
    CHECK_THROWS_AS(metadata.get_int(key), FormatError);
  CHECK_THROWS_AS(metadata.get_int("text", 7), FormatError);  // of another type: the fallback must not hide it
}

TEST_CASE("a float is read from any number and from text") {
  const Metadata metadata = example();
  CHECK(metadata.get_float("half") == 0.5);
  CHECK(metadata.get_float("int") == 48.0);
  CHECK(metadata.get_float("float text") == 48.0);
  CHECK(metadata.get_float("absent", 0.25) == 0.25);
  for (const char* key : {"true", "text", "floats"}) CHECK_THROWS_AS(metadata.get_float(key), FormatError);
}

TEST_CASE("text is a number only as a whole") {
  for (const std::string_view text : {"", " 1", "1 ", "1x", "0x10", "1,5", "--1", "1e999", "nan", "inf"}) {
    Metadata metadata;
    metadata.add("k", text);
    CAPTURE(std::string(text));
    CHECK_THROWS_AS(metadata.get_int("k"), FormatError);
    CHECK_THROWS_AS(metadata.get_float("k"), FormatError);
  }
  Metadata metadata;
  metadata.add("k", std::string_view("1\0", 2));
  CHECK_THROWS_AS(metadata.get_int("k"), FormatError);
}

TEST_CASE("a bool is read from a bool, 0, 1 and text") {
  Metadata metadata = example();
  metadata.add("zero", int64_t{0});
  metadata.add("one text", std::string_view("1"));
  CHECK(metadata.get_bool("true", false));
  CHECK_FALSE(metadata.get_bool("zero", true));
  CHECK_FALSE(metadata.get_bool("false text", true));
  CHECK(metadata.get_bool("one text", false));
  CHECK(metadata.get_bool("absent", true));
  for (const char* key : {"int", "text", "half"}) CHECK_THROWS_AS(metadata.get_bool(key, true), FormatError);
}

TEST_CASE("strings and arrays are of their own kind only") {
  const Metadata metadata = example();
  CHECK(metadata.get_string("text") == "text");
  CHECK(metadata.get_string("absent", "other") == "other");
  CHECK_THROWS_AS(metadata.get_string("int"), FormatError);
  CHECK(metadata.find_ints("ints")->size == 2);
  CHECK(metadata.find_floats("floats")->size == 1);
  CHECK(metadata.find_strings("strings")->size() == 2);
  CHECK(metadata.find_ints("absent") == nullptr);
  CHECK_THROWS_AS(metadata.find_ints("floats"), FormatError);
  CHECK_THROWS_AS(metadata.find_floats("int"), FormatError);
  CHECK_THROWS_AS(metadata.find_strings("nested"), FormatError);
}

TEST_CASE("errors name the key, what was expected and what came") {
  Metadata metadata = example();
  CHECK_THROWS_WITH(metadata.get_int("none"), "missing metadata key \"none\"");
  CHECK_THROWS_WITH(metadata.get_int("text"), "metadata key \"text\": expected an integer, got string \"text\"");
  CHECK_THROWS_WITH(metadata.get_string("ints"), "metadata key \"ints\": expected a string, got array of 2 integers");
  CHECK_THROWS_WITH_AS(metadata.add("int", true), "metadata key \"int\" exists already", FormatError);
  CHECK(metadata.keys().size() == 13);
  CHECK(metadata.keys().front() == "int");
  CHECK(metadata.get_int("int") == 48);
}

TEST_CASE("quoted text is short and plain") {
  CHECK(quoted("a\"\\\n\x80") == "\"a\\\"\\\\\\x0a\\x80\"");
  CHECK(quoted(std::string(100, 'a')) == "\"" + std::string(80, 'a') + "\"... (100 bytes)");
}

}  // namespace
}  // namespace gesso::io
