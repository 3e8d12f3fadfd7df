// The scratch memory of passes. A session allocates it once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/buffer.h"
#include "core/tensor.h"
#include "gesso/config.h"
#include "model/pass_limits.h"
#include "model/staging.h"
#include "ops/key_value_layout.h"
#include "ops/replay.h"
#include "ops/route.h"

namespace gesso::model {

// Which slot a device has for which rounded rows (ops::Rounding). Rows are read while those of other slots are written.
constexpr int kInputSlot = 0;  // the input of attention, and then that of the dense MLP
constexpr int kRouterSlot = 1;
constexpr int kExpertsSlot = 2;
constexpr int kOutputSlot = 3;  // what attention, or a gated product, has made

// The memory is that of the context's device. Attention and the MLPs use the same part of it, because attention is done
// before the MLPs start.
class PassScratch {
 public:
  PassScratch(const Context& context, const ModelConfig& config, const std::vector<ops::KeyValueLayout>& layouts,
              const PassLimits& limits);

  int64_t max_rows() const { return limits_.max_rows; }
  int64_t rows_per_kind() const { return limits_.rows_per_kind; }
  int64_t expert_rows() const { return limits_.expert_rows; }
  // The bytes that a PassScratch of this size takes.
  static int64_t num_bytes(const ModelConfig& config, const std::vector<ops::KeyValueLayout>& layouts,
                           const PassLimits& limits);

  // The small arrays of a pass, and the recordings of passes that are run again.
  Staging& staging() { return staging_; }
  ops::Replay& replay() { return replay_; }

  // Each of these views has the first `rows` rows.
  Matrix hidden(int64_t rows) { return {hidden_.data(), rows, hidden_size_}; }  // the residual stream
  // The input of a projection. One op may make up to ops::kMaxNormedRows of them.
  Matrix normed(int64_t rows, int slot = kInputSlot) {
    return {normed_.data() + slot * limits_.max_rows * hidden_size_, rows, hidden_size_};
  }
  Matrix projected(int64_t rows) { return {projected_.data(), rows, hidden_size_}; }  // output of attention or an MLP
  // The dense MLP's part of the feed-forward half, and then the sum of both parts.
  Matrix feed_forward_sum(int64_t rows) { return {feed_forward_sum_.data(), rows, hidden_size_}; }

  // The scratch memory of attention.
  struct Attention {
    Matrix q, out;                                         // [rows, H * K]
    Matrix k, v;                                           // [rows, G * K] raw projections
    std::byte *own_keys = nullptr, *own_values = nullptr;  // of the canvas, rows as the layout says
    int64_t key_row_bytes = 0, value_row_bytes = 0;

    std::byte* own_key_row(int64_t row) const { return own_keys + row * key_row_bytes; }
    std::byte* own_value_row(int64_t row) const { return own_values + row * value_row_bytes; }
  };
  Attention attention(int64_t rows, const ops::KeyValueLayout& layout);

  // The gate and up projections of the dense MLP, side by side.
  Matrix gate_up(int64_t rows) { return {scratch_.data(), rows, 2 * intermediate_size_}; }

  // The scratch memory of the experts, for at most expert_rows() rows.
  struct Experts {
    Matrix scores;   // [rows, E]
    Matrix gate_up;  // [rows * A, 2 M]
    Matrix down;     // [rows * A, D]
    ops::Routing routing;
  };
  Experts experts(int64_t rows);

 private:
  PassLimits limits_;
  int64_t hidden_size_, intermediate_size_, moe_intermediate_size_, num_heads_, num_experts_, num_active_;
  Buffer<float> hidden_, normed_, projected_, feed_forward_sum_, scratch_, expert_weights_;
  Buffer<int32_t> expert_ids_;
  Staging staging_;
  ops::Replay replay_;
};

}  // namespace gesso::model
