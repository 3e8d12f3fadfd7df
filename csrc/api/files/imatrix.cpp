#include "gesso/imatrix.h"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <unordered_map>

#include "core/check.h"
#include "gesso/checkpoint.h"
#include "io/gguf.h"
#include "io/metadata.h"

namespace gesso {
namespace {

constexpr std::string_view kSums = ".in_sum2", kCounts = ".counts";

std::span<const float> floats(const Tensor& tensor) {
  return {tensor.f32(), static_cast<size_t>(tensor.shape.num_elements())};
}

bool all_usable(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value) && value >= 0; });
}

ImatrixEntry mean_of(const std::string& where, const std::string& name, const Tensor& sums, const Tensor* counts) {
  check_format(counts, where, ": missing ", name, kCounts);
  ImatrixEntry entry{name, sums.num_rows(), sums.num_columns(), {}};
  const std::span<const float> sum = floats(sums), count = floats(*counts);
  check_format(count.size() == 1 || std::ssize(count) == entry.num_experts, where, kCounts, ": expected ",
               entry.num_experts, " values, got ", count.size());
  check_format(all_usable(sum) && all_usable(count), where, ": expected finite values >= 0");
  entry.values.reserve(sum.size());
  for (size_t i = 0; i < sum.size(); ++i) {
    const size_t expert = i / static_cast<size_t>(entry.num_columns);
    entry.values.push_back(sum[i] / std::max(count[count.size() == 1 ? 0 : expert], 1.0f));
  }
  return entry;
}

void check_kind(const std::string& path, const io::Metadata& metadata) {
  const io::MetadataValue* kind = metadata.find("general.type");
  const auto* text = kind ? std::get_if<std::string_view>(kind) : nullptr;
  check_format(text && *text == "imatrix", path, ": general.type: expected string \"imatrix\", got ",
               kind ? io::described(*kind) : "none");
}

}  // namespace

std::vector<ImatrixEntry> read_imatrix(const std::string& path) {
  const Checkpoint checkpoint = Checkpoint::open(path, {.mmap = false});
  const io::GgufFile& file = checkpoint.file();
  check_kind(path, file.metadata);
  std::unordered_map<std::string, const Tensor*> by_name;
  for (const io::NamedTensor& named : file.tensors) {
    check_format(named.tensor.dtype == DType::kF32, path, ": ", io::shown_name(named.name), ": expected type F32, got ",
                 dtype_name(named.tensor.dtype));
    by_name[named.name] = &named.tensor;
  }
  std::vector<ImatrixEntry> entries;
  for (const io::NamedTensor& named : file.tensors) {
    if (!named.name.ends_with(kSums)) continue;
    const std::string name = named.name.substr(0, named.name.size() - kSums.size());
    const auto counts = by_name.find(name + std::string(kCounts));
    entries.push_back(mean_of(concat(path, ": ", io::shown_name(name)), name, named.tensor,
                              counts == by_name.end() ? nullptr : counts->second));
  }
  return entries;
}

}  // namespace gesso
