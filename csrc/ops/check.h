// Checks of shapes and types that several ops need. Each message names the op and the argument.
#pragma once

#include <string>

#include "core/check.h"
#include "core/tensor.h"
#include "quant/formats.h"

namespace gesso::ops {

inline void check_columns(const char* what, int64_t got, int64_t expected) {
  check(got == expected, what, ": expected ", expected, " columns, got ", got);
}

inline void check_rows(const char* what, int64_t got, int64_t expected) {
  check(got == expected, what, ": expected ", expected, " rows, got ", got);
}

// Checks for an F32 vector of `size` elements. (The message is made only on failure, since this runs in every op.)
inline void check_vector(const char* what, const Tensor& tensor, int64_t size) {
  if (tensor && tensor.dtype == DType::kF32 && tensor.shape.num_elements() == size) return;
  throw ArgumentError(concat(what, ": expected F32 [", size, "], got ",
                             tensor ? concat(dtype_name(tensor.dtype), " ", tensor.shape.to_string()) : "nothing"));
}

// Checks for a tensor of `rank` dimensions whose type can be decoded.
inline void check_stored(const char* what, const Tensor& tensor, int rank) {
  if (!tensor || tensor.shape.rank != rank) {
    throw ArgumentError(concat(what, ": expected rank ", rank, ", got ", tensor.shape.to_string()));
  }
  if (!quant::find_decoder(tensor.dtype)) {
    throw ArgumentError(concat(what, ": cannot compute with type ", dtype_name(tensor.dtype),
                               "; supported: ", quant::supported_types()));
  }
}

}  // namespace gesso::ops
