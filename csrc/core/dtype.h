// The tensor types that a weights file can hold, with their ggml ids and block sizes.
// Source of ids and sizes: ggml.h and gguf-py's constants.py (August 2026).
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace gesso {

// The values are the ids that GGUF files store.
enum class DType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ8_1 = 9,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kQ8_K = 15,
  kIQ2_XXS = 16,
  kIQ2_XS = 17,
  kIQ3_XXS = 18,
  kIQ1_S = 19,
  kIQ4_NL = 20,
  kIQ3_S = 21,
  kIQ2_S = 22,
  kIQ4_XS = 23,
  kI8 = 24,
  kI16 = 25,
  kI32 = 26,
  kI64 = 27,
  kF64 = 28,
  kIQ1_M = 29,
  kBF16 = 30,
  kTQ1_0 = 34,
  kTQ2_0 = 35,
  kMXFP4 = 39,
  kNVFP4 = 40,
  kQ1_0 = 41,
  kQ2_0 = 42,
};

struct DTypeInfo {
  DType dtype;
  const char* name;         // ggml's name: "Q4_K"
  uint32_t block_elements;  // a row's length must be a multiple of this
  uint32_t block_bytes;
};

// All types, sorted by id.
std::span<const DTypeInfo> all_dtypes();
// Returns nullptr when no ggml type has this id.
const DTypeInfo* find_dtype(uint32_t id);
// Returns nullptr when no ggml type has this name. Names are in upper case: "Q4_K".
const DTypeInfo* find_dtype(const std::string& name);
// `dtype` must be one of the values above.
const DTypeInfo& dtype_info(DType dtype);
inline const char* dtype_name(DType dtype) { return dtype_info(dtype).name; }

}  // namespace gesso
