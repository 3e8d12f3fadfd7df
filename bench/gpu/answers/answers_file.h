// What a small model answers on the CPU without rounding, as bench/gpu_check/answers.py has written it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gesso::bench {

struct Answer {
  std::vector<int32_t> prompt;
  std::vector<int32_t> canvas;     // [C] random ids
  std::vector<float> logits;       // [C, V] behind the prompt, without self-conditioning
  std::vector<float> conditioned;  // [C, V] of the same canvas, conditioned on `logits` divided by t_max
  std::vector<int32_t> ids;        // what the prompt is continued with; the seed is the answer's number
};

struct AnswersFile {
  int64_t new_tokens = 0, steps = 0;  // of each generation
  int64_t may_differ = 0;             // how many generations rounding may change
  std::vector<Answer> answers;
};

// Each line has a word and its values: "new_tokens 8", "steps 4", "may_differ 3", and for each answer "prompt",
// "canvas", "logits", "conditioned", "ids" in this order. At most `max_answers` are read. Throws FormatError.
AnswersFile read_answers(const std::string& path, int64_t max_answers);

}  // namespace gesso::bench
