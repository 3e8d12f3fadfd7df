// The decoders to f16 against those of the CPU.
#include <cmath>
#include <cstdint>
#include <random>

#include "cuda/decode/decoder_lists.h"
#include "cuda/decode/half_block_fragments.h"
#include "cuda/decode/half_fragments.h"
#include "cuda/device/barrier.h"
#include "cuda/device/bf16.h"
#include "cuda/device/warp.h"
#include "quant/blocks/nvfp4.h"
#include "quant/blocks/q5_0.h"
#include "quant/blocks/q8_0.h"
#include "quant/super_blocks/q4_k.h"
#include "quant/super_blocks/q6_k.h"
#include "tests/kernel_test.h"

namespace gesso::cuda {
namespace {

constexpr int kRows = 16, kColumns = 256, kPitch = 304;  // kPitch: bytes from a row to the next one

// Row r begins first + r * further bytes behind a multiple of 16, modulo 16.
struct Begins {
  int first, further;
  __device__ int operator()(int row) const { return (first + row * further) % 16; }
};

template <DType kFormat>
struct Decoded {
  using Fragments = HalfFragments<kFormat>;
  static constexpr int kWords = Fragments::kPartSteps * Fragments::kStepWords;  // of a part

  // The words of a part, and with power 1 a bound of the largest finite factor or constant.
  __device__ static float words(const uint8_t* span, int first_step, int columns, float power,
                                uint32_t (&words)[kWords]) {
    float largest = 0;
    for (int half = 0; half < 2; ++half) {
      const auto header = Fragments::header(span, first_step, half, columns - 64 * first_step);
      Fragments::words(header, power, reinterpret_cast<uint32_t(&)[kWords / 2]>(words[half * kWords / 2]));
      const float magnitude = Fragments::magnitude(header);
      if (magnitude < INFINITY) largest = fmaxf(largest, magnitude);
    }
    return largest;
  }
};

// Decodes rows of `columns` columns to weights [16, 256], multiplied by powers [16]. bytes [16, kPitch] are moved to
// where rows begin. A row's power brings its largest factor or constant to 2^13 to 2^14.
template <DType kFormat>
__global__ void decode_kernel(const uint8_t* bytes, Begins begins, int columns, float* powers, float* weights) {
  using Fragments = HalfFragments<kFormat>;
  constexpr bool kEvensFirst = EvensFirstTypes::has(kFormat);
  uint8_t* shared = shared_memory<uint8_t>();
  for (int i = lane_index(); i < kRows * kPitch; i += kWarpSize) {
    if (i % kPitch + begins(i / kPitch) < kPitch) shared[i + begins(i / kPitch)] = bytes[i];
  }
  sync_block();
  const auto span = [&](int row) { return shared + row * kPitch + begins(row); };
  const int lane = lane_index(), g = lane / 4, t = lane % 4;
  const WarpSpan rows = {{span(g), span(g + 8)}, span(lane % 16)};
  float row_powers[2];
  constexpr int kStepWords = Fragments::kStepWords;
  uint32_t words[2][Decoded<kFormat>::kWords];
  for (int i = 0; i < 2; ++i) {
    float largest = 0;
    for (int first = 0; 64 * first < columns; first += Fragments::kPartSteps) {
      largest = fmaxf(largest, Decoded<kFormat>::words(span(g + 8 * i), first, columns, 1, words[i]));
    }
    row_powers[i] = largest > 0 ? std::exp2(13 - std::floor(std::log2(largest))) : 0x1p127f;
    powers[g + 8 * i] = row_powers[i];
  }
  for (int step = 0; 64 * step < columns; ++step) {
    const int in_part = step % Fragments::kPartSteps;
    const int place = Fragments::kAlternates ? in_part % 2 * (Fragments::kPartSteps / 2) + in_part / 2 : in_part;
    RowWords<kStepWords> of_step;
    for (int i = 0; i < 2; ++i) {
      Decoded<kFormat>::words(span(g + 8 * i), step - in_part, columns, row_powers[i], words[i]);
      for (int j = 0; j < kStepWords; ++j) of_step[i * kStepWords + j] = words[i][place * kStepWords + j];
    }
    uint32_t codes[4][4];
    Fragments::codes(rows, step, of_step, codes);
    for (int i = 0; i < 2; ++i) {
      for (int k = 0; k < 4; ++k) {
        const uint32_t word = of_step[i * kStepWords + 16 * k / Fragments::kUnitColumns];
        float* out = weights + (g + 8 * i) * kColumns + 64 * step + 16 * k;
        for (int n = 0; n < 2; ++n) {
          const uint32_t pair = fma_half(codes[k][i + 2 * n], twice_low(word), twice_high(word));
          out[kEvensFirst ? 4 * t + n : 2 * t + 8 * n] = from_half(static_cast<uint16_t>(pair));
          out[kEvensFirst ? 4 * t + n + 2 : 2 * t + 8 * n + 1] = from_half(static_cast<uint16_t>(pair >> 16));
        }
      }
    }
  }
}

template <typename Block>
class Rows {
 public:
  static constexpr DType kType = Block::kDType;
  static constexpr int kBlocks = kColumns / Block::kNumElements;

  Block& block(int row, int i) { return reinterpret_cast<Block*>(bytes_.data() + row * kPitch)[i]; }

  // With `trial` from 0 to 15, each byte of a block takes all 256 values in the 16 rows. The scales of a row are equal
  // but for a factor of up to 2, or they have any size, and are finite.
  explicit Rows(unsigned trial) {
    std::mt19937 engine(1);
    for (size_t place = 0; place < kBlocks * sizeof(Block); ++place) {
      const auto factor = 2 * engine() + 1, first = engine();
      for (unsigned row = 0; row < kRows; ++row) {
        bytes_[row * kPitch + place] = static_cast<uint8_t>((16 * trial + row) * factor + first);
      }
    }
    if constexpr (kType != DType::kNVFP4) {
      for (int row = 0; row < kRows; ++row) {
        for (int i = 0; i < kBlocks; ++i) {
          const unsigned exponent = (trial % 2 == 0 ? engine() : static_cast<unsigned>(row)) % 31;
          set_d(row, i, static_cast<uint16_t>((engine() & 0x83ff) | exponent << 10));
        }
      }
    }
  }

  void set_d(int row, int i, uint16_t bits) {
    quant::store_u16(bits, block(row, i).d);
    if constexpr (kType == DType::kQ4_K) quant::store_u16(bits ^ 0x155, block(row, i).dmin);
  }

  // Checks the weights of the first columns. Those behind them must be 0.
  void check(Begins begins, int columns) {
    const OnDevice<uint8_t> bytes(bytes_);
    const OnDevice<float> device_powers(kRows), device_weights(kRows * kColumns);
    run_kernel(1, kWarpSize, kRows * kPitch, decode_kernel<kType>, bytes, begins, columns, device_powers,
               device_weights);
    const std::vector<float> powers = device_powers.read(), weights = device_weights.read();
    int num_wrong = 0;
    for (int row = 0; row < kRows; ++row) {
      for (int i = 0; i < kBlocks; ++i) {
        float expected[Block::kNumElements];
        quant::decode_block(block(row, i), expected);
        for (int j = 0; j < Block::kNumElements; ++j) {
          const int column = i * Block::kNumElements + j;
          if (column >= (columns + 63) / 64 * 64) continue;
          const double want = column < columns ? expected[j] : 0;
          const double got = weights[row * kColumns + column] / static_cast<double>(powers[row]);
          const bool is_right = std::isfinite(want)
                                    ? std::abs(got - want) <= tolerance(block(row, i), want, powers[row])
                                    : std::isnan(got);
          if (!is_right && ++num_wrong < 5) MESSAGE(row << ", " << column << ": " << got << " instead of " << want);
        }
      }
    }
    CHECK(num_wrong == 0);
  }

 private:
  // The factor, the constant and the weight are rounded, each to 11 binary digits or to a multiple of 2^-24 / power. In
  // most formats factor and constant have the same digits. With NVFP4 nothing has as many digits.
  static double tolerance(const Block& block, double weight, double power) {
    double rounded = 2 * std::abs(weight);
    if constexpr (kType == DType::kNVFP4) rounded = 0;
    if constexpr (kType == DType::kQ4_K) rounded += 2 * 63 * std::abs(from_half(quant::load_u16(block.dmin)));
    return rounded * 0x1.01p-11 + 0x1p-24 / power;
  }

  std::vector<uint8_t> bytes_ = std::vector<uint8_t>(kRows * kPitch, 0xff);
};

TEST_CASE_TEMPLATE("decoders to f16", Block, quant::BlockQ4_K, quant::BlockQ6_K, quant::BlockQ8_0, quant::BlockQ5_0,
                   quant::BlockNVFP4) {
  constexpr int kAlignment = Block::kDType == DType::kQ4_K ? 16 : Block::kDType == DType::kNVFP4 ? 4 : 2;
  constexpr int kLeast = Block::kNumElements;
  SUBCASE("each byte at each place") {
    for (unsigned trial = 0; trial < 16; ++trial) {
      Rows<Block>(trial).check({static_cast<int>(trial) * kAlignment % 16, 0}, kColumns);
    }
  }
  SUBCASE("rows that begin at different places") {
    for (int further = kAlignment; further < 16; further += kAlignment) {
      Rows<Block>(3).check({kAlignment, further}, kColumns);
    }
  }
  SUBCASE("rows that end within a part") {
    for (int columns = kLeast; columns < kColumns; columns += kLeast) Rows<Block>(5).check({0, 0}, columns);
  }
}

TEST_CASE_TEMPLATE("scales that are not finite make weights of NaN", Block, quant::BlockQ4_K, quant::BlockQ6_K,
                   quant::BlockQ8_0, quant::BlockQ5_0) {
  for (const int bits : {0x7c00, 0xfc00, 0x7e00}) {
    Rows<Block> rows(7);
    rows.set_d(3, 0, static_cast<uint16_t>(bits));
    rows.check({0, 0}, kColumns);
  }
}

}  // namespace
}  // namespace gesso::cuda
