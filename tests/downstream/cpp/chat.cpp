// A conversation in C++. Each line of the standard input is a turn; a reply has one canvas.
//
//   chat MODEL SEED < turns.txt
#include <exception>
#include <iostream>
#include <string>

#include "gesso/model.h"

namespace {

void chat(const std::string& path, uint64_t seed) {
  const gesso::Model model = gesso::Model::load(path);
  if (!model.tokenizer()) throw gesso::ArgumentError(path + ": the model has no tokenizer");
  const gesso::Tokenizer& tokenizer = *model.tokenizer();
  gesso::GenerationOptions options;
  options.max_new_tokens = model.config().canvas_length;
  options.seeds = {seed};
  gesso::Session session(model);
  for (std::string line; std::getline(std::cin, line);) {
    // What a user writes is text, also where it spells a special token.
    const auto ids = tokenizer.encode(line, /*parse_special=*/false);
    const gesso::GenerationResult reply = session.generate({ids}, options);
    std::cout << tokenizer.decode(reply.results[0].ids) << std::endl;
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 3) throw gesso::ArgumentError("usage: chat MODEL SEED");
    chat(argv[1], std::stoull(argv[2]));
    return 0;
  } catch (const std::exception& error) {
    std::cerr << "chat: " << error.what() << "\n";
    return 1;
  }
}
