#include "api/random/preset_types.h"

#include <utility>

#include "core/check.h"

namespace gesso {
namespace {

constexpr std::pair<std::string_view, DType> kBases[] = {
    {"Q4_K_M", DType::kQ4_K}, {"Q8_0", DType::kQ8_0}, {"Q4_0", DType::kQ4_0}, {"BF16", DType::kBF16}};

bool fits(DType dtype, int64_t columns) { return columns % dtype_info(dtype).block_elements == 0; }

// Rows that are no whole number of blocks get a type with smaller ones.
DType fitting(DType dtype, int64_t columns) {
  if (fits(dtype, columns)) return dtype;
  const DType substitute = dtype == DType::kQ4_K ? DType::kQ5_0 : dtype == DType::kQ6_K ? DType::kQ8_0 : dtype;
  return fits(substitute, columns) ? substitute : DType::kF16;
}

// Those in the first and last eighth of the layers, and every third one in between.
bool deserves_more_bits(int64_t index, int64_t count) {
  return index < count / 8 || index >= 7 * count / 8 || (index - count / 8) % 3 == 2;
}

}  // namespace

PresetTypes::PresetTypes(const std::string& preset) : base_(DType::kF32), has_more_bits_(preset == "Q4_K_M") {
  for (const auto& [name, base] : kBases) {
    if (preset == name) base_ = base;
  }
  check(base_ != DType::kF32, "types: expected \"Q4_K_M\", \"Q8_0\", \"Q4_0\" or \"BF16\", got \"", preset, "\"");
}

DType PresetTypes::of_embedding(int64_t columns) const {
  if (base_ == DType::kBF16) return base_;
  return base_ == DType::kQ8_0 || !fits(base_, columns) ? DType::kQ8_0 : fitting(DType::kQ6_K, columns);
}

DType PresetTypes::of_matrix(std::string_view role, int64_t columns, int64_t index, int64_t count) const {
  if (role == "ffn_gate_inp") return DType::kF32;
  const bool is_important = role == "attn_v" || role == "ffn_down" || role == "ffn_down_exps";
  const bool has_more_bits = has_more_bits_ && is_important && deserves_more_bits(index, count);
  return fitting(has_more_bits ? DType::kQ6_K : base_, columns);
}

}  // namespace gesso
