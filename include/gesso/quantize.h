// Rows of weights between tensor types: what files store in blocks, and float32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "gesso/error.h"

namespace gesso {

struct TensorType {
  std::string name;            // ggml's: "Q4_K"
  uint32_t id = 0;             // ggml's, as GGUF files store it
  int64_t block_elements = 0;  // a row's length must be a multiple of this
  int64_t block_bytes = 0;
  bool can_read = false;   // dequantize, and compute with
  bool can_write = false;  // quantize
};

// All types that a GGUF file may hold.
std::vector<TensorType> tensor_types();

// Values of whole blocks as float32. `out` holds exactly as many elements as `data`. ArgumentError for a type that
// cannot be read, and for sizes that do not fit. num_threads: 0 means all processors; here and below the result does
// not depend on it.
void dequantize(const std::string& type, std::span<const std::byte> data, std::span<float> out, int num_threads = 0);

struct QuantizeOptions {
  // What a square error in a column counts: empty (every column the same), or row_elements finite values >= 0. A sum of
  // squared activations per column is what imatrix files hold. All zeros counts as empty.
  std::span<const float> importance = {};
  float multiplier = 1.0f;  // finite; every value is multiplied by this first
  int num_threads = 0;
};

// Stores rows of `row_elements` values in another type, with a small sum of importance * (value - stored value)^2.
// `source` is of `source_type` (any that can be read), `out` has exactly the bytes that its elements need in `type`.
// Finite values beyond the largest that a block can store become that one; F16 and BF16 round to nearest, ties to even.
// ArgumentError for types that cannot be read or written, rows of partial blocks, sizes that do not fit, and values
// that `type` cannot hold: infinities and NaN (F32, F16 and BF16 keep those), and finite ones that would become
// infinities. Some of `out` may be written then.
void quantize(const std::string& source_type, std::span<const std::byte> source, const std::string& type,
              int64_t row_elements, std::span<std::byte> out, const QuantizeOptions& options = {});

}  // namespace gesso
