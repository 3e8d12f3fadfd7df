// Which type a preset gives a matrix: the rules of api/files/presets.cpp, as far as random checkpoints need them.
// tests/downstream/test_bench_tool.py compares the two.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/dtype.h"

namespace gesso {

class PresetTypes {
 public:
  // ArgumentError for a preset without rules here.
  explicit PresetTypes(const std::string& preset);

  DType of_embedding(int64_t columns) const;
  // `role` is a name such as "attn_v". `index` counts the matrices of this role, of which there are `count`.
  DType of_matrix(std::string_view role, int64_t columns, int64_t index, int64_t count) const;

 private:
  DType base_;
  bool has_more_bits_;  // whether some matrices get more bits than others
};

}  // namespace gesso
