#include "gesso/weight_scales.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "core/check.h"
#include "core/dtype.h"
#include "gesso/quantize.h"

namespace gesso {
namespace {

constexpr std::string_view kWeight = ".weight";
constexpr size_t kPieceElements = size_t{1} << 20;

PlannedTensor new_scale(const GgufTensor& matrix, const std::string& name, size_t source, int64_t old) {
  const int64_t size = matrix.shape.size() == 3 ? matrix.shape[0] : 1;
  return {{name, "F32", {size}}, PlannedTensor::Values::kNewScale, source, old};
}

}  // namespace

std::vector<PlannedTensor> plan_tensors(std::span<const GgufTensor> tensors, std::span<const std::string> types) {
  using Values = PlannedTensor::Values;
  check(types.size() == tensors.size(), "plan_tensors: expected ", tensors.size(), " types, got ", types.size());
  std::unordered_map<std::string, int64_t> index;
  for (size_t i = 0; i < tensors.size(); ++i) index[tensors[i].name] = static_cast<int64_t>(i);
  std::unordered_set<std::string> dropped;
  std::vector<PlannedTensor> plan;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const GgufTensor& tensor = tensors[i];
    plan.push_back({{tensor.name, types[i], tensor.shape}, Values::kCopied, i, -1});
    if (!tensor.name.ends_with(kWeight) || types[i] == tensor.type) continue;
    const std::string stem = tensor.name.substr(0, tensor.name.size() - kWeight.size());
    const std::string name = stem + ".scale";
    const bool has_scale = index.count(name) != 0 && !stem.ends_with("ffn_gate_inp");
    const int64_t old = has_scale ? index[name] : -1;
    dropped.insert(stem + ".input_scale");
    if (types[i] == "NVFP4") {
      plan.back().values = Values::kDivided;
      dropped.insert(name);
      plan.push_back(new_scale(tensor, name, i, old));
    } else if (has_scale && !stem.ends_with("ffn_down_exps")) {
      plan.back().values = Values::kMultiplied;
      plan.back().scale = old;
      dropped.insert(name);
    }
  }
  std::erase_if(plan, [&](const PlannedTensor& planned) {
    return planned.values != Values::kNewScale && dropped.count(planned.tensor.name) != 0;
  });
  return plan;
}

float nvfp4_scale(const std::string& type, std::span<const std::byte> data, int num_threads) {
  const DTypeInfo* info = find_dtype(type);
  check(info, "nvfp4_scale: unknown tensor type ", type);
  const size_t piece = kPieceElements / info->block_elements * info->block_bytes;
  std::vector<float> values;
  float largest = 0;
  for (size_t first = 0; first < data.size(); first += piece) {
    const std::span<const std::byte> part = data.subspan(first, std::min(piece, data.size() - first));
    values.resize(part.size() / info->block_bytes * info->block_elements);
    dequantize(type, part, values, num_threads);
    for (const float value : values) largest = std::max(largest, std::fabs(value));
  }
  const float scale = largest / kLargestNvfp4;
  return scale >= std::numeric_limits<float>::min() ? scale : 1.0f;  // below that its reciprocal may be infinite
}

}  // namespace gesso
