// How many rows a pass may have.
#pragma once

#include <algorithm>
#include <cstdint>

#include "gesso/config.h"

namespace gesso::model {

// A session's memory is sized by these numbers.
struct PassLimits {
  int64_t rows_per_kind = 0;  // rows of all canvases of a pass; a single text has no more
  int64_t max_rows = 0;       // rows of canvases and texts together
  int64_t max_sequences = 0;  // sequences of one pass
  // How many rows the experts work on at a time. Each row takes the scratch memory of A experts.
  int64_t expert_rows = 0;
};

// What a pass has room for beside canvases: a slice of a prompt, or a committed canvas.
constexpr int64_t kTextRows = 256;

// On the CPU a pass has 256 rows of canvases, whatever the batch, or one canvas if a canvas is longer. A weight is then
// decoded once for many rows, and the scratch memory stays small. On a device each pass reads all weights, so passes
// are longer: a prompt is encoded 1024 tokens at a time, and 8 canvases of 256 tokens are denoised in one pass of 2048
// rows. Scratch memory sets the limit: about 0.2 MB a row for the 26B model. Texts beside canvases take kTextRows more,
// or as many as a canvas has.
inline PassLimits pass_limits(const ModelConfig& config, int64_t batch_size, bool on_device) {
  constexpr int64_t kCpuRows = 256, kCpuExpertRows = 512, kDeviceRows = 1024, kMaxDeviceRows = 2048;
  const int64_t together = std::clamp(batch_size * config.canvas_length, kDeviceRows, kMaxDeviceRows);
  const int64_t rows = std::max(on_device ? together : kCpuRows, config.canvas_length);
  const int64_t max_rows = rows + std::max(kTextRows, config.canvas_length);
  return {.rows_per_kind = rows,
          .max_rows = max_rows,
          .max_sequences = std::min(batch_size, rows),
          .expert_rows = on_device ? max_rows : kCpuExpertRows};
}

}  // namespace gesso::model
