// Presets decide which type each tensor of a file gets. Their names and rules are llama.cpp's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "gesso/export.h"
#include "gesso/gguf_writer.h"

namespace gesso {

struct Preset {
  std::string name;        // "Q4_K_M"
  uint32_t file_type = 0;  // general.file_type in a GGUF file, from llama.cpp's enum llama_ftype
  std::string base_type;   // the type of a matrix for which no rule gives another one
};

GESSO_API std::vector<Preset> presets();

// Whether files store a tensor of this name and rank in F32 with every preset, as they do vectors, norms and the
// router.
GESSO_API bool stays_float32(const std::string& name, size_t rank);

struct PlanOptions {
  int64_t num_layers = -1;      // of the model; -1: as many as the names of the tensors say
  bool has_importance = false;  // whether an importance matrix is used; some rules ask for it
};

// The type of each tensor, in the order of `tensors`. Their own types do not matter. A type always fits the rows.
// ArgumentError for an unknown preset.
GESSO_API std::vector<std::string> plan_types(const std::string& preset, std::span<const GgufTensor> tensors,
                                              const PlanOptions& options = {});

}  // namespace gesso
