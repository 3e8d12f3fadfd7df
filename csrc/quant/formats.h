// The formats that gesso can compute with, and those it can write, as functions that take a row. all_blocks.h lists
// the formats.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/dtype.h"

namespace gesso::quant {

// Decodes a stored row of num_elements to float32. num_elements must be a multiple of the type's block_elements: a row
// of 2816 columns has 11 super-blocks of 256. `row` may have any alignment. The results are those of dequantize in the
// Python package gguf bit for bit, except for the payload of a NaN.
using DecodeRow = void (*)(const std::byte* row, int64_t num_elements, float* out);

// Stores a float32 row in blocks so that sum(importance[i] * (row[i] - decoded[i])^2) is small. `importance` is
// nullptr, which means all ones, or num_elements values >= 0. num_elements must be a multiple of the type's
// block_elements, and the values of `row` must be finite.
using EncodeRow = void (*)(const float* row, int64_t num_elements, const float* importance, std::byte* out);

// Returns nullptr when gesso cannot compute with this type.
DecodeRow find_decoder(DType dtype);
// Returns nullptr when gesso cannot write this type.
EncodeRow find_encoder(DType dtype);
// The names of the types that gesso can compute with, and of those that it can write, for error messages:
// "F32, F16, ...".
std::string supported_types();
std::string encodable_types();

}  // namespace gesso::quant
