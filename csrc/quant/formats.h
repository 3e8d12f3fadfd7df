// The formats that gesso can compute with, and those it can write. Adding one: a header like q8_0.h, and one line in
// the list in formats.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/dtype.h"

namespace gesso::quant {

// Decodes a stored row to float32. `row` may have any alignment; num_elements is a multiple of the type's
// block_elements, and `row` and `out` hold that many. Bit exact with package gguf's dequantize (NaN payloads aside).
using DecodeRow = void (*)(const std::byte* row, int64_t num_elements, float* out);

// Stores a float32 row in blocks so that sum(importance[i] * (row[i] - decoded[i])^2) is small; `importance` is nullptr
// (all ones) or num_elements values >= 0. num_elements is a multiple of the type's block_elements. `row` is finite.
using EncodeRow = void (*)(const float* row, int64_t num_elements, const float* importance, std::byte* out);

// nullptr when gesso cannot compute with this type yet.
DecodeRow find_decoder(DType dtype);
// nullptr when gesso cannot write this type.
EncodeRow find_encoder(DType dtype);
// The names of those it can, for error messages: "F32, F16, ...".
std::string supported_types();
std::string encodable_types();

}  // namespace gesso::quant
