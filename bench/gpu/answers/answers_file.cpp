#include "answers_file.h"

#include <charconv>
#include <fstream>
#include <string_view>

#include "core/check.h"

namespace gesso::bench {
namespace {

template <typename Number>
std::vector<Number> numbers(const std::string& path, std::string_view line) {
  std::vector<Number> result;
  const char* const end = line.data() + line.size();
  for (const char* at = line.data(); at != end;) {
    Number number{};
    const auto [next, error] = std::from_chars(at + (*at == ' '), end, number);
    check_format(error == std::errc(), path, ": expected a number, got \"", std::string_view(at, end), "\"");
    result.push_back(number);
    at = next;
  }
  return result;
}

// Puts the values of one line where its word says.
void read_line(const std::string& path, std::string_view word, std::string_view values, AnswersFile& file) {
  if (word == "new_tokens") file.new_tokens = numbers<int64_t>(path, values).at(0);
  if (word == "steps") file.steps = numbers<int64_t>(path, values).at(0);
  if (word == "may_differ") file.may_differ = numbers<int64_t>(path, values).at(0);
  if (word == "prompt") file.answers.emplace_back();
  if (file.answers.empty()) return;
  Answer& answer = file.answers.back();
  if (word == "prompt") answer.prompt = numbers<int32_t>(path, values);
  if (word == "canvas") answer.canvas = numbers<int32_t>(path, values);
  if (word == "logits") answer.logits = numbers<float>(path, values);
  if (word == "conditioned") answer.conditioned = numbers<float>(path, values);
  if (word == "ids") answer.ids = numbers<int32_t>(path, values);
}

}  // namespace

AnswersFile read_answers(const std::string& path, int64_t max_answers) {
  std::ifstream stream(path);
  check(stream.good(), path, ": cannot be read");
  AnswersFile file;
  std::string word, values;
  while (stream >> word && std::getline(stream, values)) {
    if (word == "prompt" && std::ssize(file.answers) == max_answers) break;
    read_line(path, word, values, file);
  }
  check_format(!file.answers.empty(), path, ": expected at least one answer, got none");
  return file;
}

}  // namespace gesso::bench
