#include "api/random/random_blocks.h"

#include <algorithm>
#include <iterator>
#include <random>
#include <span>
#include <string>

#include "gesso/quantize.h"

namespace gesso {
namespace {

constexpr int64_t kElements = 1 << 20;
constexpr int64_t kMinPieceBytes = 256;  // copies of smaller pieces are slower

const std::vector<float>& gaussians() {
  static const std::vector<float> values = [] {
    std::mt19937 random(0);
    std::normal_distribution<float> gaussian;
    std::vector<float> drawn(kElements);
    std::generate(drawn.begin(), drawn.end(), [&] { return gaussian(random); });
    return drawn;
  }();
  return values;
}

}  // namespace

RandomBlocks::RandomBlocks(DType dtype, float spread, int num_threads) {
  const DTypeInfo& info = dtype_info(dtype);
  piece_bytes_ = (kMinPieceBytes + info.block_bytes - 1) / info.block_bytes * info.block_bytes;
  bytes_.resize(kElements / info.block_elements * info.block_bytes);
  QuantizeOptions options;
  options.multiplier = spread;
  options.num_threads = num_threads;
  quantize("F32", std::as_bytes(std::span(gaussians())), std::string(info.name), info.block_elements, bytes_, options);
}

void RandomBlocks::fill(std::byte* target, int64_t num_bytes, uint64_t seed) const {
  std::mt19937_64 random(seed);
  const auto num_pieces = static_cast<uint64_t>(std::ssize(bytes_) / piece_bytes_);
  for (int64_t first = 0; first < num_bytes; first += piece_bytes_) {
    const auto piece = static_cast<int64_t>(random() % num_pieces);
    std::copy_n(bytes_.data() + piece * piece_bytes_, std::min(piece_bytes_, num_bytes - first), target + first);
  }
}

}  // namespace gesso
