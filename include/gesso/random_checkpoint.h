// Models of random weights, for measurements on machines without a file of the model.
#pragma once

#include <cstdint>
#include <string>

#include "gesso/checkpoint.h"
#include "gesso/export.h"

namespace gesso {

struct RandomCheckpointOptions {
  // "26b-a4b": those of the published model. "small": the same structure with 2048 tokens, 256 columns, 16 experts, 6
  // layers and canvases of 32 tokens, for trying things out.
  std::string sizes = "26b-a4b";
  // Which type each tensor gets: "Q4_K_M", "Q8_0", "Q4_0" or "BF16", by llama.cpp's rules.
  std::string types = "Q4_K_M";
  int64_t num_layers = 0;  // takes the first ones only; 0: all
  // false  Every matrix has memory of its own, as in a file: 16.8 GB for the whole model in Q4_K_M.
  // true   Matrices of one type and spread lie in one piece of memory, each a little behind the one before. That is
  //        1.5 GB for the whole model. It is meant for a GPU with memory of its own, which gets a copy of each matrix
  //        in full. On the CPU, and on a GPU that shares the host's memory, caches would hold what should come from
  //        memory, and times would mean nothing.
  bool overlaps = false;
  int num_threads = 0;  // 0: one per processor
};

// Makes a checkpoint without a tokenizer. Its values are random blocks from a million quantised Gaussian values for
// each type and spread, so it takes seconds. Activations, scores and logits are about as large as those of a trained
// model, so that passes take as long. The same options give the same values. The checkpoint owns all memory.
// ArgumentError for the options, std::bad_alloc.
GESSO_API Checkpoint random_checkpoint(const RandomCheckpointOptions& options = {});

}  // namespace gesso
