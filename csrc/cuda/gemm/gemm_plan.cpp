#include "cuda/gemm/gemm_plan.h"

#include <algorithm>
#include <cstdio>

#include "cuda/decode/decoder_lists.h"
#include "cuda/gemm/gemm_code.h"
#include "ops/device.h"

namespace gesso::cuda {
namespace {

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

bool has_fp4(const DeviceProperties& device) { return device.arch == 120 || device.arch == 121; }
bool has_wgmma(const DeviceProperties& device) { return device.arch == 90; }

GemmKernel choose_kernel(const DeviceProperties& device, const GemmWeights& weights, RowType rows) {
  switch (rows) {
    case RowType::kNvFp4:
    case RowType::kMxFp4:
      return GemmKernel::kMmaFp4;
    case RowType::kInt8:
      return GemmKernel::kMmaInt8;
    case RowType::kF16:
    case RowType::kEvensFirstF16:
      return GemmKernel::kWgmmaExperts;
    case RowType::kSplitBF16:
      return GemmKernel::kMmaBF16;
    case RowType::kBF16:
      break;
  }
  const bool is_wgmma = has_wgmma(device) && weights.num_experts == 0 && WgmmaTypes::has(weights.dtype);
  return is_wgmma ? GemmKernel::kWgmmaBF16 : GemmKernel::kMmaBF16;
}

// A product by blocks of so many warpgroups, with so many tiles of rows of x.
SplitProblem wgmma_problem(const DeviceProperties& device, const GemmWeights& weights, int num_steps, int groups,
                           int64_t row_tiles) {
  return {.num_outputs = weights.num_outputs,
          .num_steps = num_steps,
          .granule = wgmma_span_steps(weights.dtype),
          .blocks = static_cast<int>(row_tiles * divide_up(weights.num_tiles(), groups)),
          .step_time = static_cast<double>(groups) / kWgmmaGroups,
          .fill_steps = 2,
          .num_multiprocessors = device.num_multiprocessors};
}

// A canvas of 256 rows has two tiles of them.
Splits plan_wgmma_splits(const DeviceProperties& device, const GemmWeights& weights, int num_steps) {
  const SplitProblem many = wgmma_problem(device, weights, num_steps, kWgmmaGroups, 2);
  const SplitProblem few = wgmma_problem(device, weights, num_steps, kFewWgmmaGroups, 2);
  const Splits of_many = choose_splits(many), of_few = choose_splits(few);
  return estimated_time(few, of_few) < estimated_time(many, of_many) ? of_few : of_many;
}

// With experts there are so many tiles that k is never cut.
Splits plan_splits(const DeviceProperties& device, const GemmWeights& weights, const GemmSums& sums) {
  if (weights.num_experts > 0) return {1, sums.num_steps};
  SplitProblem problem = {.num_outputs = weights.num_outputs,
                          .num_steps = sums.num_steps,
                          .num_multiprocessors = device.num_multiprocessors};
  // The rows of a canvas of 256 are one wide tile of int8, and two of the other kernels. Spans have 1, 2 or 4 steps,
  // and the rows of kSplitBF16 have 3 terms.
  switch (sums.kernel) {
    case GemmKernel::kWgmmaBF16:
      return plan_wgmma_splits(device, weights, sums.num_steps);
    case GemmKernel::kMmaInt8:
      problem.blocks = weights.num_tiles();
      problem.granule = 4;
      problem.fill_steps = 2;
      break;
    default:
      problem.blocks = 2 * weights.num_tiles();
      problem.granule = 12;
      problem.fill_steps = 4;
  }
  return choose_splits(problem);
}

// A wide tile decodes a weight once for more rows. Rows that it does not have are not multiplied. A narrow tile leaves
// shared memory to other blocks, so that more blocks wait for memory at the same time. Both add in the same order.
int choose_tile_rows(const GemmWeights& weights, GemmKernel kernel, int64_t num_rows) {
  if (kernel == GemmKernel::kWgmmaBF16) return num_rows <= kFewWgmmaRows ? kFewWgmmaRows : kWgmmaRows;
  bool is_wide = num_rows > kNarrowRows;
  if (weights.num_experts > 0) {
    const bool has_room = work_list_bytes(weights.num_experts, kWideRows) <= kWorkListRoom;
    is_wide = has_room && num_rows > int64_t{kNarrowRows} * weights.num_experts;  // more than 24 an expert, in the mean
  }
  if (!is_wide) return kNarrowRows;
  if (kernel == GemmKernel::kWgmmaExperts) return kWideExpertRows;
  return kernel == GemmKernel::kMmaInt8 ? kWideInt8Rows : kWideRows;
}

// Warpgroups of a block, each with 64 weight rows. They change no bits: a group adds as it would alone.
int choose_groups(const DeviceProperties& device, const GemmWeights& weights, const GemmSums& sums, int64_t row_tiles) {
  if (sums.kernel == GemmKernel::kWgmmaExperts) return kExpertGroups;
  if (sums.kernel != GemmKernel::kWgmmaBF16) return 1;
  const auto time_of = [&](int groups) {
    return estimated_time(wgmma_problem(device, weights, sums.num_steps, groups, row_tiles), sums.splits);
  };
  return time_of(kFewWgmmaGroups) < time_of(kWgmmaGroups) ? kFewWgmmaGroups : kWgmmaGroups;
}

int block_threads(GemmKernel kernel, const GemmTiles& tiles) {
  const bool has_warpgroups = kernel == GemmKernel::kWgmmaExperts || kernel == GemmKernel::kWgmmaBF16;
  return has_warpgroups ? tiles.groups * kGemmThreads : gemm_threads(tiles.rows);
}

// How many blocks a multiprocessor runs at a time, as far as registers allow. The kernels' __launch_bounds__ say it to
// the compiler.
int blocks_by_registers(GemmKernel kernel, int tile_rows) {
  if (kernel == GemmKernel::kWgmmaExperts) return tile_rows == kNarrowRows ? 2 : 1;
  if (kernel == GemmKernel::kWgmmaBF16 || tile_rows != kNarrowRows) return 1;
  return kernel == GemmKernel::kMmaInt8 ? 3 : 4;
}

void plan_grid(const GemmWeights& weights, const GemmSums& sums, int64_t num_rows, GemmTiles& tiles) {
  const int64_t row_tiles = divide_up(num_rows, tiles.rows);
  if (sums.kernel == GemmKernel::kWgmmaBF16) {
    tiles.grid_x = static_cast<int>(row_tiles * divide_up(weights.num_tiles(), tiles.groups));
    tiles.grid_y = sums.splits.count;
  } else if (weights.num_experts == 0) {
    tiles.grid_x = static_cast<int>(row_tiles * weights.num_tiles() * sums.splits.count);
  } else {
    // The number of rows of each expert is known on the device alone, and a recorded launch serves every step. So the
    // grid depends on sizes only. At most one tile of each expert is not full. More blocks than run at a time are not
    // needed, because a block takes several tiles.
    const int64_t most_tiles = row_tiles + std::min<int64_t>(weights.num_experts, num_rows);
    const int64_t weight_tiles = divide_up(weights.num_tiles(), tiles.groups);
    tiles.grid_x = static_cast<int>(std::min<int64_t>(tiles.blocks_at_a_time, most_tiles * weight_tiles));
  }
}

const char* kernel_name(GemmKernel kernel) {
  switch (kernel) {
    case GemmKernel::kMmaBF16:
      return "mma bf16";
    case GemmKernel::kMmaInt8:
      return "mma int8";
    case GemmKernel::kMmaFp4:
      return "mma fp4";
    case GemmKernel::kWgmmaBF16:
      return "wgmma bf16";
    case GemmKernel::kWgmmaExperts:
      return "wgmma experts f16";
  }
  return "";
}

}  // namespace

ActivationType default_activations(int arch) {
  // Cards for data centers (A100, H100, B200) have fast 16-bit products, and their memory limits a step. On GeForce and
  // GB10 16-bit products limit a step, and 8-bit ones are twice as fast or more.
  const bool has_fast_16_bits = arch == 80 || arch == 90 || (arch >= 100 && arch < 110);
  return has_fast_16_bits ? ActivationType::kBF16 : ActivationType::kInt8;
}

RowFormat plan_rows(const DeviceProperties& device, const ops::WeightKind& weight, ActivationType activations) {
  const bool is_int8 = activations == ActivationType::kInt8;
  if (has_fp4(device)) {
    // NVFP4 and MXFP4 weights: the rows are sums of 4-bit floats, with as many terms as make them as exact as the
    // asked-for rounding. pack/fp4_activations.h has the errors.
    if (weight.dtype == DType::kNVFP4) return {RowType::kNvFp4, is_int8 ? 2 : 3};
    if (weight.dtype == DType::kMXFP4) return {RowType::kMxFp4, is_int8 ? 3 : 4};
  }
  if (is_int8 && has_codes(weight.dtype)) return {RowType::kInt8};
  if (has_wgmma(device) && weight.has_experts && FragmentTypes::has(weight.dtype)) {
    return {EvensFirstTypes::has(weight.dtype) ? RowType::kEvensFirstF16 : RowType::kF16};
  }
  return {weight.dtype == DType::kF32 ? RowType::kSplitBF16 : RowType::kBF16};
}

int num_row_steps(RowType type, int64_t num_columns) {
  return static_cast<int>(divide_up(num_columns, kStepColumns)) * (type == RowType::kSplitBF16 ? 3 : 1);
}

GemmSums plan_sums(const DeviceProperties& device, const GemmWeights& weights, ActivationType activations) {
  GemmSums sums;
  sums.rows = plan_rows(device, {weights.dtype, weights.num_experts > 0}, activations);
  sums.kernel = choose_kernel(device, weights, sums.rows.type);
  sums.num_steps = num_row_steps(sums.rows.type, weights.num_columns);
  sums.splits = plan_splits(device, weights, sums);
  return sums;
}

GemmTiles plan_tiles(const DeviceProperties& device, const GemmWeights& weights, const GemmSums& sums,
                     int64_t num_rows) {
  GemmTiles tiles;
  tiles.rows = choose_tile_rows(weights, sums.kernel, num_rows);
  tiles.groups = choose_groups(device, weights, sums, divide_up(num_rows, tiles.rows));
  const GemmCode& code = gemm_code(sums.kernel, weights.dtype);
  tiles.threads = block_threads(sums.kernel, tiles);
  tiles.shared_bytes =
      code.shared_bytes(weights.dtype, sums.rows, tiles) + work_list_bytes(weights.num_experts, tiles.rows);
  const int of_multiprocessor =
      std::min(blocks_by_shared_memory(device, tiles.shared_bytes), blocks_by_registers(sums.kernel, tiles.rows));
  tiles.blocks_at_a_time = device.num_multiprocessors * of_multiprocessor;
  plan_grid(weights, sums, num_rows, tiles);
  return tiles;
}

GemmPlan plan_gemm(const DeviceProperties& device, const GemmWeights& weights, ActivationType activations,
                   int64_t num_rows) {
  const GemmSums sums = plan_sums(device, weights, activations);
  return {sums, plan_tiles(device, weights, sums, num_rows)};
}

std::string describe(const GemmPlan& plan) {
  const auto& [sums, tiles] = plan;
  std::string rows = std::to_string(tiles.rows) + " rows";
  if (sums.kernel == GemmKernel::kWgmmaBF16) {
    rows = std::to_string(tiles.groups * kTileWeightRows) + " by " + rows;
  }
  if (sums.rows.type == RowType::kSplitBF16) rows += " of 2 terms";
  if (sums.rows.num_terms > 0) rows += " of " + std::to_string(sums.rows.num_terms) + " terms";
  char text[160];
  std::snprintf(text, sizeof(text), "%s %s x %d %s, %lld blocks, %.1f waves", kernel_name(sums.kernel), rows.c_str(),
                sums.splits.count, sums.splits.count == 1 ? "split" : "splits",
                static_cast<long long>(tiles.num_blocks()), tiles.waves());
  return text;
}

}  // namespace gesso::cuda
