// Where the elements of fragments and tiles lie according to CuTe, NVIDIA's library. Its layouts were printed as
// numbers, element by element. All of them turned out to be sums, so those of the powers of two say everything.
//
// In a fragment value v of thread t is the element whose row and column are the sums of the entries below for the bits
// of t and of v. For example, in kBf16A thread 5 = 0b00101 has the row 0 + 1 and the column 2 + 0; its value 6 = 0b110
// adds 8 to both. The matrices are A [M, K], B [N, K], C [M, N].
#pragma once

#include <cstddef>
#include <vector>

namespace gesso::cute {

struct Element {
  int row, column;
};

struct Fragment {
  std::vector<Element> of_thread_bits, of_value_bits;

  size_t num_threads() const { return size_t{1} << of_thread_bits.size(); }
  size_t num_values() const { return size_t{1} << of_value_bits.size(); }
  Element at(size_t thread, size_t value) const {
    Element sum = {0, 0};
    for (size_t i = 0; i < of_thread_bits.size(); ++i) add(sum, of_thread_bits[i], thread >> i & 1);
    for (size_t i = 0; i < of_value_bits.size(); ++i) add(sum, of_value_bits[i], value >> i & 1);
    return sum;
  }

 private:
  static void add(Element& sum, Element one, size_t bit) {
    if (bit == 0) return;
    sum.row += one.row;
    sum.column += one.column;
  }
};

// Of all instructions of a warp: sums. Each value is a register.
inline const Fragment kC = {{{0, 2}, {0, 4}, {1, 0}, {2, 0}, {4, 0}}, {{0, 1}, {8, 0}}};

// mma.m16n8k16 of bf16, m16n8k32 and m16n8k16 of int8, m16n8k64 of E2M1. Registers hold 2, 4 and 8 values.
inline const Fragment kBf16A = {{{0, 2}, {0, 4}, {1, 0}, {2, 0}, {4, 0}}, {{0, 1}, {8, 0}, {0, 8}}};
inline const Fragment kBf16B = {{{0, 2}, {0, 4}, {1, 0}, {2, 0}, {4, 0}}, {{0, 1}, {0, 8}}};
inline const Fragment kS8A = {{{0, 4}, {0, 8}, {1, 0}, {2, 0}, {4, 0}}, {{0, 1}, {0, 2}, {8, 0}, {0, 16}}};
inline const Fragment kS8B = {{{0, 4}, {0, 8}, {1, 0}, {2, 0}, {4, 0}}, {{0, 1}, {0, 2}, {0, 16}}};
inline const Fragment kS8K16A = {{{0, 4}, {0, 8}, {1, 0}, {2, 0}, {4, 0}}, {{0, 1}, {0, 2}, {8, 0}}};
inline const Fragment kS8K16B = {{{0, 4}, {0, 8}, {1, 0}, {2, 0}, {4, 0}}, {{0, 1}, {0, 2}}};
inline const Fragment kFp4A = {{{0, 8}, {0, 16}, {1, 0}, {2, 0}, {4, 0}}, {{0, 1}, {0, 2}, {0, 4}, {8, 0}, {0, 32}}};
inline const Fragment kFp4B = {{{0, 8}, {0, 16}, {1, 0}, {2, 0}, {4, 0}}, {{0, 1}, {0, 2}, {0, 4}, {0, 32}}};
// The elements whose scales a lane passes.
inline const Fragment kFp4ScaleA = {{{8, 0}, {0, 0}, {1, 0}, {2, 0}, {4, 0}},
                                    {{0, 1}, {0, 2}, {0, 4}, {0, 8}, {0, 16}, {0, 32}}};
inline const Fragment kFp4ScaleB = {{{0, 0}, {0, 0}, {1, 0}, {2, 0}, {4, 0}},
                                    {{0, 1}, {0, 2}, {0, 4}, {0, 8}, {0, 16}, {0, 32}}};

// wgmma.m64n64k16: the sums of the 128 threads of a group.
inline const Fragment kWgmmaC = {{{0, 2}, {0, 4}, {1, 0}, {2, 0}, {4, 0}, {16, 0}, {32, 0}},
                                 {{0, 1}, {8, 0}, {0, 8}, {0, 16}, {0, 32}}};

// The byte at which an element of a tile of bf16 begins, [64, 64] with the swizzle of 128 bytes. Here the entries for
// the bits of the row and of the column are combined by XOR.
//
// Where B lies transposed (Major::MN), CuTe has for 64 of its columns, and any depth, swizzled elements
// ((8, 8, m), (8, k)) : ((1, 8, LBO), (64, SBO)). With an SBO of 1024 bytes these are the same tiles: their rows are
// those of B, and the next 64 columns are LBO further on.
inline int swizzled_byte(int row, int column) {
  constexpr int kOfRowBits[] = {144, 288, 576, 1024, 2048, 4096}, kOfColumnBits[] = {2, 4, 8, 16, 32, 64};
  int byte = 0;
  for (int i = 0; i < 6; ++i) byte ^= (row >> i & 1) * kOfRowBits[i] ^ (column >> i & 1) * kOfColumnBits[i];
  return byte;
}

}  // namespace gesso::cute
