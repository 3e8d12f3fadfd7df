#include "emulator/wgmma.h"

#include <cuda_runtime.h>

#include <array>
#include <bit>
#include <cstring>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "block.h"
#include "canary.h"
#include "emulator/accesses.h"
#include "settings.h"
#include "truncated_sum.h"

namespace gesso::emulator {
namespace {

constexpr int kDepth = 16;  // the number of values of k in one product
constexpr int kRowsOfWarp = 16;
constexpr int kRowBytes = 128;
constexpr int kPieceBytes = 16;
constexpr int kPieceValues = 8;

int warp_of_thread() { return static_cast<int>(threadIdx.x) / kLanes; }
// The calling warp's first row of A.
int first_row_of_warp() { return warp_of_thread() % kWarpsOfGroup * kRowsOfWarp; }

using Lines = std::vector<std::array<uint16_t, kDepth>>;  // rows of A, columns of B

// What a descriptor says, with checks that it describes tiles as gesso uses them. A line is a row of A or a column of
// B. Where B lies transposed, a piece holds one value each of 8 lines; else it holds 8 values of one line.
struct Tile {
  uint32_t begin;
  uint32_t stride;   // bytes from a group of 8 lines to the next; of B transposed, from 8 values of k to the next
  uint32_t leading;  // of B transposed: bytes from 64 lines to the next
  bool is_transposed;

  Tile(uint64_t descriptor, bool is_transposed, const Place& place)
      : begin((descriptor & 0x3fff) << 4),
        stride((descriptor >> 32 & 0x3fff) << 4),
        leading((descriptor >> 16 & 0x3fff) << 4),
        is_transposed(is_transposed) {
    if (descriptor >> 62 != 1) fail("wgmma: only tiles with the 128-byte swizzle are emulated", place);
    if ((descriptor >> 49 & 7) != 0) fail("wgmma: a base offset is not emulated", place);
    const uint32_t last = is_transposed ? 0 : kRowBytes - 2 * kPieceBytes;
    if (begin % 1024 > last) fail("wgmma: the tile does not begin at 1024 bytes", place);
  }

  // The swizzle changes the address: bits 4 to 6 are XORed with bits 7 to 9.
  const std::byte* piece(uint32_t offset, const Place& place) const {
    const uint32_t plain = begin + offset;
    const std::byte* zero = block_shared_memory().data - shared_offset(block_shared_memory().data);
    const std::byte* address = zero + (plain ^ (plain >> 7 & 7) << 4);
    check_shared(address, kPieceBytes, kPieceBytes, place);
    return address;
  }

  // Calls use(piece, line, k) for the pieces of some lines; `line` and `k` are those of the piece's first value.
  template <typename Use>
  void for_each_piece(int first_line, int num_lines, const Place& place, const Use& use) const {
    if (!is_transposed) {
      for (int i = first_line; i < first_line + num_lines; ++i) {
        const uint32_t row = static_cast<uint32_t>(i / 8) * stride + static_cast<uint32_t>(i % 8 * kRowBytes);
        for (int k = 0; k < kDepth; k += kPieceValues) use(piece(row + static_cast<uint32_t>(2 * k), place), i, k);
      }
      return;
    }
    for (int k = 0; k < kDepth; ++k) {
      const uint32_t row = static_cast<uint32_t>(k / 8) * stride + static_cast<uint32_t>(k % 8 * kRowBytes);
      for (int i = first_line; i < first_line + num_lines; i += kPieceValues) {
        use(piece(row + static_cast<uint32_t>(i / 64) * leading + static_cast<uint32_t>(i % 64 * 2), place), i, k);
      }
    }
  }

  Lines read(int first_line, int num_lines, const Place& place) const {
    Lines lines(static_cast<size_t>(num_lines));
    for_each_piece(first_line, num_lines, place, [&](const std::byte* piece, int line, int k) {
      uint16_t values[kPieceValues];
      std::memcpy(values, piece, kPieceBytes);
      for (int i = 0; i < kPieceValues; ++i) {
        const int in_line = is_transposed ? k : k + i, of = line - first_line + (is_transposed ? i : 0);
        lines[static_cast<size_t>(of)][static_cast<size_t>(in_line)] = values[i];
      }
    });
    return lines;
  }
};

// The sums of a warp whose products are under way, and the values that they will have.
struct Accumulators {
  float* registers[kLanes];
  int n = 0;
  int num_pending = 0;
  std::vector<float> values;  // [16, n]

  // The value of register i of a lane; the layout is that of cuda/device/wgmma.h.
  float& value(int lane, int i) {
    const int row = lane / 4 + (i % 4 / 2) * 8, column = i / 4 * 8 + lane % 4 * 2 + i % 2;
    return values[static_cast<size_t>(row * n + column)];
  }
};

// Where A is: in a tile, or in four registers of each lane.
struct OperandA {
  std::optional<Tile> tile;
  const uint32_t* registers[kLanes] = {};

  // The 16 rows of the calling warp. The registers' layout is that of cuda/device/wgmma.h.
  Lines read(const Place& place) const {
    if (tile) return tile->read(first_row_of_warp(), kRowsOfWarp, place);
    Lines lines(kRowsOfWarp);
    for (int lane = 0; lane < kLanes; ++lane) {
      for (int i = 0; i < 4; ++i) {
        auto& line = lines[static_cast<size_t>(lane / 4 + i % 2 * 8)];
        const auto column = static_cast<size_t>(lane % 4 * 2 + i / 2 * 8);
        line[column] = static_cast<uint16_t>(registers[lane][i]);
        line[column + 1] = static_cast<uint16_t>(registers[lane][i] >> 16);
      }
    }
    return lines;
  }
};

struct Product {
  std::shared_ptr<Accumulators> target;
  OperandA operand_a;
  Tile tile_b;
  Lines a, b;
  Place place;
};

// Calls use(piece) for the pieces of shared memory that a product reads, while they are watched.
template <typename Use>
void for_each_piece(const Product& product, const Use& use) {
  if (!is_watching_accesses) return;
  const auto use_piece = [&](const std::byte* piece, int, int) { use(piece); };
  const std::optional<Tile>& tile_a = product.operand_a.tile;
  if (tile_a) tile_a->for_each_piece(first_row_of_warp(), kRowsOfWarp, product.place, use_piece);
  product.tile_b.for_each_piece(0, product.target->n, product.place, use_piece);
}

struct WarpState {
  std::array<bool, kLanes> has_proxy_fence{};
  bool has_fence = false;
  std::vector<Product> open;
  std::deque<std::vector<Product>> groups;
  size_t num_products = 0;
};

struct BlockState {
  uint64_t number = 0;
  std::array<WarpState, kMaxWarps> warps;
  std::array<std::vector<std::pair<uint64_t, uint64_t>>, kMaxWarps / kWarpsOfGroup> descriptors;
};

BlockState& block_state() {
  thread_local std::unique_ptr<BlockState> state = std::make_unique<BlockState>();
  if (state->number != block_number()) *state = {block_number(), {}, {}};
  return *state;
}

WarpState& warp_state() { return block_state().warps[static_cast<size_t>(warp_of_thread())]; }

enum class Floats { kBF16, kF16 };

struct Request {
  float* d;
  int n;
  uint64_t a;                   // 0 where A is in registers
  const uint32_t* a_registers;  // null where A is in shared memory
  uint64_t b;
  bool b_is_transposed;
  Floats floats;
  bool accumulate;
  Place place;
};

void check_same(Request** all) {
  const Request& first = *all[0];
  for (int lane = 1; lane < kLanes; ++lane) {
    const Request& other = *all[lane];
    if (other.a != first.a || other.b != first.b || other.accumulate != first.accumulate) {
      fail("wgmma: the operands differ between lanes", first.place);
    }
  }
  BlockState& block = block_state();
  auto& log = block.descriptors[static_cast<size_t>(warp_of_thread() / kWarpsOfGroup)];
  const size_t number = warp_state().num_products++;
  const std::pair operands(first.a, first.b);
  if (number == log.size()) log.push_back(operands);
  if (log[number] != operands) fail("wgmma: the operands differ between warps", first.place);
}

// Returns the sums that are under way already, or makes new ones from the registers' values. New ones poison the
// registers.
std::shared_ptr<Accumulators> find_accumulators(WarpState& warp, Request** all) {
  const auto is_same = [&](const Product& product) { return product.target->registers[0] == all[0]->d; };
  for (const Product& product : warp.open) {
    if (is_same(product)) return product.target;
  }
  for (const auto& group : warp.groups) {
    for (const Product& product : group) {
      if (is_same(product)) return product.target;
    }
  }
  auto made = std::make_shared<Accumulators>();
  made->n = all[0]->n;
  made->values.resize(static_cast<size_t>(kRowsOfWarp * made->n));
  for (int lane = 0; lane < kLanes; ++lane) {
    made->registers[lane] = all[lane]->d;
    for (int i = 0; i < made->n / 2; ++i) made->value(lane, i) = all[lane]->d[i];
    std::memset(all[lane]->d, kPoison, sizeof(float) * static_cast<size_t>(made->n / 2));
  }
  return made;
}

float to_float(uint16_t bits, Floats floats) {
  if (floats == Floats::kBF16) return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
  const uint32_t sign = (bits & 0x8000u) << 16, magnitude = (bits & 0x7fffu) << 13;
  if (magnitude >= 31u << 23) return std::bit_cast<float>(sign | magnitude | 0xffu << 23);  // infinity, NaN
  return std::bit_cast<float>(sign | magnitude) * 0x1p112f;  // the exponents' biases are 15 and 127
}

// The 16 terms of a product are added first, and their sum then to the target. The emulated mma adds in another order.
// So no code can come to rely on the two giving the same bits.
void multiply(const Lines& a, const Lines& b, Floats floats, bool accumulate, std::vector<float>& values) {
  const size_t n = b.size();
  std::vector<float> transposed(kDepth * n), sums(n);
  for (size_t column = 0; column < n; ++column) {
    for (size_t k = 0; k < kDepth; ++k) transposed[k * n + column] = to_float(b[column][k], floats);
  }
  for (size_t row = 0; row < kRowsOfWarp; ++row) {
    std::fill(sums.begin(), sums.end(), 0.0f);
    for (size_t k = 0; k < kDepth; ++k) {
      const float factor = to_float(a[row][k], floats);
      for (size_t column = 0; column < n; ++column) sums[column] += factor * transposed[k * n + column];
    }
    float* target = values.data() + row * n;
    for (size_t column = 0; column < n; ++column)
      target[column] = accumulate ? target[column] + sums[column] : sums[column];
  }
}

// The same with truncated sums.
void multiply_truncated(const Lines& a, const Lines& b, Floats floats, bool accumulate, std::vector<float>& values) {
  const SumRule rule = sum_rule(kernel_architecture());
  for (size_t row = 0; row < kRowsOfWarp; ++row) {
    for (size_t column = 0; column < b.size(); ++column) {
      double products[kDepth];
      for (size_t k = 0; k < kDepth; ++k) {
        products[k] =
            static_cast<double>(to_float(a[row][k], floats)) * static_cast<double>(to_float(b[column][k], floats));
      }
      float& sum = values[row * b.size() + column];
      sum = truncated_sum(accumulate ? sum : 0.0f, products, kDepth, rule.num_bits);
    }
  }
}

void issue(void* operands) {
  auto** all = static_cast<Request**>(operands);
  const Request& request = *all[0];
  WarpState& warp = warp_state();
  if (kernel_architecture() != 90) fail("wgmma: only sm_90 has it", request.place);
  check_same(all);
  if (!warp.has_fence) fail("wgmma: no wgmma_fence before the group", request.place);
  for (bool has_proxy_fence : warp.has_proxy_fence) {
    if (!has_proxy_fence) fail("wgmma: no fence_async_proxy since the last group or copy", request.place);
  }
  const Tile tile_b(request.b, request.b_is_transposed, request.place);
  Product product = {find_accumulators(warp, all), {}, tile_b, {}, {}, request.place};
  if (request.a_registers) {
    for (int lane = 0; lane < kLanes; ++lane) product.operand_a.registers[lane] = all[lane]->a_registers;
  } else {
    product.operand_a.tile.emplace(request.a, false, request.place);
  }
  product.a = product.operand_a.read(request.place);
  product.b = product.tile_b.read(0, request.n, request.place);
  for_each_piece(
      product, [&](const std::byte* piece) { begin_access(AccessKind::kProduct, piece, kPieceBytes, request.place); });
  (settings().truncates_sums ? multiply_truncated : multiply)(product.a, product.b, request.floats, request.accumulate,
                                                              product.target->values);
  ++product.target->num_pending;
  warp.open.push_back(std::move(product));
}

void complete(Product& product) {
  if (product.operand_a.read(product.place) != product.a ||
      product.tile_b.read(0, product.target->n, product.place) != product.b) {
    fail("wgmma: an operand was written while its product was under way", product.place);
  }
  for_each_piece(product, [](const std::byte* piece) { end_access(AccessKind::kProduct, piece, kPieceBytes); });
  Accumulators& target = *product.target;
  if (--target.num_pending > 0) return;
  for (int lane = 0; lane < kLanes; ++lane) {
    for (int i = 0; i < target.n / 2; ++i) target.registers[lane][i] = target.value(lane, i);
  }
}

void commit(void*) {
  WarpState& warp = warp_state();
  for (const Product& product : warp.open) {
    if (product.operand_a.tile) warp.has_proxy_fence.fill(false);
  }
  warp.groups.push_back(std::move(warp.open));
  warp.open.clear();
  warp.has_fence = false;
}

struct WaitRequest {
  int num_in_flight;
};

void wait(void* operands) {
  const auto num_in_flight = static_cast<size_t>((*static_cast<WaitRequest**>(operands))->num_in_flight);
  WarpState& warp = warp_state();
  while (warp.groups.size() > num_in_flight) {
    for (Product& product : warp.groups.front()) complete(product);
    warp.groups.pop_front();
  }
}

void fence(void*) { warp_state().has_fence = true; }

constexpr Instruction kFence = {"wgmma_fence", Scope::kWarp, fence};
constexpr Instruction kProduct = {"wgmma_bf16", Scope::kWarp, issue};
constexpr Instruction kProductF16 = {"wgmma_f16", Scope::kWarp, issue};
constexpr Instruction kCommit = {"wgmma_commit", Scope::kWarp, commit};
constexpr Instruction kWait = {"wgmma_wait", Scope::kWarp, wait};

}  // namespace

void fence_async_proxy() { warp_state().has_proxy_fence[static_cast<size_t>(lane())] = true; }
void forget_proxy_fence() { warp_state().has_proxy_fence[static_cast<size_t>(lane())] = false; }

void wgmma_fence(const Place& place) { rendezvous(kFence, place); }

void wgmma_bf16(float* d, int n, uint64_t a, uint64_t b, bool accumulate, const Place& place) {
  Request mine = {d, n, a, nullptr, b, false, Floats::kBF16, accumulate, place};
  rendezvous(kProduct, mine, place);
}

void wgmma_bf16(float* d, int n, const uint32_t* a, uint64_t b, bool accumulate, const Place& place) {
  Request mine = {d, n, 0, a, b, false, Floats::kBF16, accumulate, place};
  rendezvous(kProduct, mine, place);
}

void wgmma_bf16_transposed(float* d, int n, uint64_t a, uint64_t b, const Place& place) {
  Request mine = {d, n, a, nullptr, b, true, Floats::kBF16, true, place};
  rendezvous(kProduct, mine, place);
}

void wgmma_f16(float* d, int n, const uint32_t* a, uint64_t b, bool accumulate, const Place& place) {
  Request mine = {d, n, 0, a, b, false, Floats::kF16, accumulate, place};
  rendezvous(kProductF16, mine, place);
}

void wgmma_commit(const Place& place) { rendezvous(kCommit, place); }

void wgmma_wait(int num_in_flight, const Place& place) {
  WaitRequest mine = {num_in_flight};
  rendezvous(kWait, mine, place);
}

}  // namespace gesso::emulator
