// All scratch memory of a forward pass, allocated once.
#pragma once

#include <cstdint>

#include "core/buffer.h"
#include "core/tensor.h"
#include "gesso/config.h"
#include "ops/route.h"

namespace gesso::model {

// Sized for `max_rows` rows (tokens of all sequences of one pass). Attention's and the MLPs' scratch share memory: one
// is done before the other starts.
class Activations {
 public:
  Activations(const ModelConfig& config, int64_t max_rows);

  int64_t max_rows() const { return max_rows_; }
  // Memory that an Activations of this size takes.
  static int64_t num_bytes(const ModelConfig& config, int64_t max_rows);

  // Views of the first `rows` rows.
  Matrix hidden(int64_t rows) { return {hidden_.data(), rows, hidden_size_}; }        // the residual stream
  Matrix normed(int64_t rows) { return {normed_.data(), rows, hidden_size_}; }        // input of a projection
  Matrix projected(int64_t rows) { return {projected_.data(), rows, hidden_size_}; }  // output of attention or an MLP
  Matrix dense(int64_t rows) { return {dense_.data(), rows, hidden_size_}; }          // dense MLP, then dense + experts

  // Attention's scratch.
  struct Attention {
    Matrix q, out;                // [rows, H * K]
    Matrix k, v;                  // [rows, G * K] raw projections
    Matrix own_keys, own_values;  // [rows, G * K] of the canvas
  };
  Attention attention(int64_t rows, const LayerConfig& layer);

  // The dense MLP's gate and up projections side by side.
  Matrix gate_up(int64_t rows) { return {scratch_.data(), rows, 2 * intermediate_size_}; }

  // The experts' scratch, for at most kExpertRows rows: each row has A of everything, so the experts work in bands.
  static constexpr int64_t kExpertRows = 128;
  struct Experts {
    Matrix scores;   // [rows, E]
    Matrix gate_up;  // [rows * A, 2 M]
    Matrix down;     // [rows * A, D]
    ops::Routing routing;
  };
  Experts experts(int64_t rows);

 private:
  int64_t max_rows_, hidden_size_, intermediate_size_, moe_intermediate_size_, num_heads_, num_experts_, num_active_;
  Buffer<float> hidden_, normed_, projected_, dense_, scratch_, expert_weights_;
  Buffer<int32_t> expert_ids_;
};

}  // namespace gesso::model
