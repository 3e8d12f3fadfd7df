// Transposes 32-bit words, with registers of four words, which every machine has.
#pragma once

#include <cstdint>
#include <cstring>

namespace gesso::cpu {

// out[w * out_stride + r] = rows[r * stride + w] for 4 rows and 4 words.
template <typename Word>
inline void transpose_4_rows(const Word* rows, int64_t stride, Word* out, int64_t out_stride) {
  typedef Word Words __attribute__((vector_size(16)));
  Words row[4];
  for (int r = 0; r < 4; ++r) std::memcpy(&row[r], rows + r * stride, sizeof(Words));
  const Words low_01 = __builtin_shufflevector(row[0], row[1], 0, 4, 1, 5);
  const Words low_23 = __builtin_shufflevector(row[2], row[3], 0, 4, 1, 5);
  const Words high_01 = __builtin_shufflevector(row[0], row[1], 2, 6, 3, 7);
  const Words high_23 = __builtin_shufflevector(row[2], row[3], 2, 6, 3, 7);
  const Words columns[4] = {
      __builtin_shufflevector(low_01, low_23, 0, 1, 4, 5), __builtin_shufflevector(low_01, low_23, 2, 3, 6, 7),
      __builtin_shufflevector(high_01, high_23, 0, 1, 4, 5), __builtin_shufflevector(high_01, high_23, 2, 3, 6, 7)};
  for (int w = 0; w < 4; ++w) std::memcpy(out + w * out_stride, &columns[w], sizeof(Words));
}

}  // namespace gesso::cpu
