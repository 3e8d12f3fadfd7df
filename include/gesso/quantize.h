// Converts rows of weights between the tensor types of files and float32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "gesso/error.h"
#include "gesso/export.h"

namespace gesso {

struct TensorType {
  std::string name;            // ggml's: "Q4_K"
  uint32_t id = 0;             // ggml's, as GGUF files store it
  int64_t block_elements = 0;  // a row's length must be a multiple of this
  int64_t block_bytes = 0;
  bool can_read = false;   // whether dequantize() and products with weights can read it
  bool can_write = false;  // whether quantize() can write it
};

// All types that a GGUF file may hold.
GESSO_API std::vector<TensorType> tensor_types();

// Decodes whole blocks to float32. `out` must have exactly as many elements as `data`. ArgumentError for a type that
// cannot be read, and for sizes that do not fit. num_threads 0 means all processors. Here and below the result does not
// depend on the number of threads.
GESSO_API void dequantize(const std::string& type, std::span<const std::byte> data, std::span<float> out,
                          int num_threads = 0);

// The values that are NaN or infinite. A block whose scale is one of them has such values.
struct NotFiniteCount {
  int64_t num_nan = 0, num_infinite = 0;
  int64_t first = -1;  // the index of the first of them; -1 if there are none
};

// Counts them in the values of whole blocks. ArgumentError as in dequantize().
GESSO_API NotFiniteCount count_not_finite(const std::string& type, std::span<const std::byte> data,
                                          int num_threads = 0);

struct QuantizeOptions {
  // How much a square error in each column counts: row_elements finite values >= 0, for example the sums of squared
  // activations that imatrix files hold. If it is empty or all zeros, every column counts the same.
  std::span<const float> importance = {};
  float multiplier = 1.0f;  // finite; every value is multiplied by this first
  int num_threads = 0;
};

// Stores rows of `row_elements` values in another type. It keeps the sum of importance * (value - stored value)^2
// small. `source` is of `source_type`, which must be a type that can be read. `out` must have exactly the bytes that
// the elements take in `type`. Finite values beyond the largest that a block can store become that value. F16 and BF16
// round to nearest, ties to even. ArgumentError for types that cannot be read or written, rows of partial blocks, sizes
// that do not fit, and values that `type` cannot hold: infinities and NaN (F32, F16 and BF16 keep those), and finite
// values that would become infinities. After an error some of `out` may be written.
GESSO_API void quantize(const std::string& source_type, std::span<const std::byte> source, const std::string& type,
                        int64_t row_elements, std::span<std::byte> out, const QuantizeOptions& options = {});

}  // namespace gesso
