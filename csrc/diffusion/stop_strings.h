// Where the first stop string ends a text.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "gesso/tokenizer.h"

namespace gesso::diffusion {

// Reads the ids of a growing text, and looks for the strings in what the tokenizer decodes, without special tokens. The
// string that is complete first counts. Bytes of an unfinished character at the end of a canvas count as if the text
// ended there; but for these it does not matter where the ids are cut into canvases.
class StopStrings {
 public:
  struct Cut {
    int64_t num_ids = 0;        // of all that were read, these stand in front of the stop string
    std::vector<int32_t> rest;  // and these are the text between them and the string, which begins in a token
  };

  // `strings` must outlive the object.
  StopStrings(const Tokenizer& tokenizer, const std::vector<std::string>& strings);

  // Reads the next ids. Returns where the text ends, if it now has a string. Then nothing more may be read.
  std::optional<Cut> read(std::span<const int32_t> ids);

 private:
  Cut cut_at(const std::string& text, size_t end) const;

  const std::vector<std::string>& strings_;
  Tokenizer tokenizer_;
  StreamDecoder decoder_;
  std::string text_;          // that no later id can change
  std::vector<size_t> ends_;  // where the text of each id ends in text_; an id that text_ lacks is not there yet
  int64_t num_held_ = 0;      // ids whose bytes the decoder holds back
  size_t searched_ = 0;       // no string ends in so many bytes of the text
};

}  // namespace gesso::diffusion
