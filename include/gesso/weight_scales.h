// Weight scales: a matrix `<name>.weight` may have a factor `<name>.scale`, one number or one per expert.
//
// A matrix in NVFP4 needs a scale, because NVFP4's block scales have a small range. When a matrix with a scale becomes
// another type, its values are multiplied with the scale and the scale is left out.
//
// Two tensors with such a name mean something else. `ffn_down_exps.scale` is a factor on the experts' outputs that
// every file has; a weight scale of ffn_down_exps is multiplied into it and cannot be taken out again. The router's
// `.scale` is a vector of the model. The embedding and the router have no weight scale.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "gesso/export.h"
#include "gesso/gguf_writer.h"

namespace gesso {

// The largest NVFP4 value without weight scale: the largest E2M1 times the largest UE4M3.
inline constexpr float kLargestNvfp4 = 6.0f * 448.0f;

// One tensor of a file whose tensors get other types, and which values it has.
struct PlannedTensor {
  enum class Values {
    kCopied,      // those of `source`
    kMultiplied,  // those of `source` times `scale`
    kDivided,     // those of `source` divided by its nvfp4_scale()
    kNewScale,    // the nvfp4_scale() of `source`, times `scale` if there is one
  };

  GgufTensor tensor;
  Values values = Values::kCopied;
  size_t source = 0;   // an index of `tensors`
  int64_t scale = -1;  // the same, for a weight scale that `source` has; -1: it has none
};

// The tensors of the new file if each of `tensors` gets the type in its place of `types`: a matrix that becomes NVFP4
// has a new scale behind it, and of one that becomes another type the scale is gone. A matrix that keeps its type keeps
// its `.scale` and `.input_scale`. Other matrices lose their `.input_scale`. ArgumentError for another number of types.
GESSO_API std::vector<PlannedTensor> plan_tensors(std::span<const GgufTensor> tensors,
                                                  std::span<const std::string> types);

// The scale of a matrix, or of one expert, with whole blocks of `type`: its largest value, divided by the scale, is the
// largest that NVFP4 holds. 1 for zeros and what is nearly zero. ArgumentError as in dequantize().
GESSO_API float nvfp4_scale(const std::string& type, std::span<const std::byte> data, int num_threads = 0);

}  // namespace gesso
