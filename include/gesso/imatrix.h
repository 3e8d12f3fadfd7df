// Reads importance matrices, which say how much an error in each column of a weight counts.
//
// A column counts as much as the mean square of the activations that it is multiplied with. Files have llama.cpp's GGUF
// form (tools/imatrix). For each weight NAME they hold two F32 tensors: `NAME.in_sum2` [experts, columns], the sums of
// squared activations, and `NAME.counts` [experts, 1], the number of rows in the sum.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gesso/export.h"

namespace gesso {

struct ImatrixEntry {
  std::string name;         // of the weight
  int64_t num_experts = 1;  // a plain matrix counts as one
  int64_t num_columns = 0;
  std::vector<float> values;  // [num_experts, num_columns]; zeros for an expert that was never used
};

// IoError for what cannot be read, FormatError for what is no importance matrix; ArgumentError and OutOfMemory as
// Checkpoint::open without mmap.
GESSO_API std::vector<ImatrixEntry> read_imatrix(const std::string& path);

}  // namespace gesso
