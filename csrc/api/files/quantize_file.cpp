#include "gesso/quantize_file.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "core/check.h"
#include "core/log.h"
#include "core/threads/thread_count.h"
#include "gesso/checkpoint.h"
#include "gesso/imatrix.h"
#include "gesso/model.h"
#include "gesso/presets.h"
#include "gesso/quantize.h"
#include "gesso/weight_scales.h"
#include "io/metadata.h"
#include "io/tensor_layout.h"

namespace gesso {
namespace {

constexpr size_t kChunkBytes = size_t{4} << 20;  // of a tensor are converted at a time, in whole rows
constexpr char kFileType[] = "general.file_type";

using Importance = std::unordered_map<std::string, ImatrixEntry>;

void check_not_a_source(const std::string& target, const std::vector<std::string>& sources) {
  std::error_code error;
  for (const std::string& source : sources) {
    check(!std::filesystem::equivalent(target, source, error), target, ": the file to write is the one to read");
  }
}

Checkpoint open_source(const std::string& path, const QuantizeFileOptions& options) {
  const Checkpoint source = Checkpoint::open(path, {.mmap = options.mmap, .interrupted = options.interrupted});
  try {
    // A file that gesso cannot run ends the call here, before the work. The presets suit its architecture only.
    Model(source, {.device = "cpu", .interrupted = options.interrupted});
  } catch (const FormatError& error) {
    throw FormatError(concat(path, ": ", error.what()));
  }
  return source;
}

Importance read_importance(const std::string& path, std::span<const GgufTensor> tensors) {
  Importance importance;
  if (path.empty()) return importance;
  std::unordered_set<std::string_view> names;
  for (const GgufTensor& tensor : tensors) names.insert(tensor.name);
  for (ImatrixEntry& entry : read_imatrix(path)) {
    if (names.count(entry.name) != 0) importance[entry.name] = std::move(entry);
  }
  check_format(!importance.empty(), path, ": holds nothing about the tensors of this model");
  return importance;
}

int64_t experts_of(const GgufTensor& tensor) { return tensor.shape.size() == 3 ? tensor.shape[0] : 1; }

void check_importance(const GgufTensor& tensor, const ImatrixEntry& entry) {
  const bool fits =
      entry.num_columns == tensor.shape.back() && (entry.num_experts == 1 || entry.num_experts == experts_of(tensor));
  check_format(fits, io::shown_name(tensor.name), ": importance: expected shape [", experts_of(tensor), ", ",
               tensor.shape.back(), "], got [", entry.num_experts, ", ", entry.num_columns, "]");
}

void set_file_type(std::vector<GgufKey>& keys, uint32_t file_type) {
  const std::array<uint32_t, 2> stored = {4, file_type};  // 4: the value is a u32
  const auto bytes = std::as_bytes(std::span(stored));
  auto key = std::find_if(keys.begin(), keys.end(), [](const GgufKey& each) { return each.key == kFileType; });
  if (key == keys.end()) key = keys.insert(key, {kFileType, {}});
  key->value.assign(bytes.begin(), bytes.end());
}

// Writes the tensors of a plan, one after the other.
class Conversion {
 public:
  Conversion(const Checkpoint& source, const Importance& importance, const QuantizeFileOptions& options)
      : source_(source), infos_(source.tensors()), importance_(importance), options_(options) {}

  void write(GgufWriter& writer, const std::vector<PlannedTensor>& plan, QuantizedFile& file) {
    for (size_t i = 0; i < plan.size(); ++i) {
      QuantizedTensor& written = file.tensors[i];
      const auto put = [&](std::span<const std::byte> bytes) {
        writer.write(bytes);
        written.num_not_finite += count_broken(written.tensor.type, bytes);
        done_ += bytes.size();
        if (options_.progress) options_.progress(done_, file.num_bytes, written.tensor.name);
        if (options_.interrupted && options_.interrupted()) throw Interrupted();
      };
      write_tensor(plan[i], put);
    }
  }

 private:
  template <typename Put>
  void write_tensor(const PlannedTensor& planned, const Put& put) {
    using Values = PlannedTensor::Values;
    if (planned.values == Values::kNewScale) {
      std::vector<float> scales = new_scales(planned.source);
      if (planned.scale >= 0) multiply(scales, factors(planned.scale, std::ssize(scales)));
      put(std::as_bytes(std::span(scales)));
      return;
    }
    std::vector<float> multipliers;
    if (planned.values == Values::kMultiplied) multipliers = factors(planned.scale, experts_of(planned.tensor));
    if (planned.values == Values::kDivided) {
      multipliers = new_scales(planned.source);
      for (float& scale : multipliers) scale = 1.0f / scale;
    }
    convert(planned, multipliers, put);
  }

  // One part for each expert, or all in one where the experts do not differ.
  template <typename Put>
  void convert(const PlannedTensor& planned, const std::vector<float>& multipliers, const Put& put) {
    const Checkpoint::TensorInfo& info = infos_[planned.source];
    const std::span<const std::byte> data(info.data, info.num_bytes);
    const std::string& type = planned.tensor.type;
    const bool is_same = type == info.type && multipliers.empty();
    const auto entry = importance_.find(info.name);
    const bool differ = entry != importance_.end() || !multipliers.empty();
    const size_t parts = differ && !is_same ? static_cast<size_t>(experts_of(planned.tensor)) : 1;
    const size_t part_bytes = data.size() / parts;
    for (size_t part = 0; part < parts; ++part) {
      QuantizeOptions how{.num_threads = options_.num_threads};
      if (entry != importance_.end()) how.importance = importance_of(entry->second, part);
      if (!multipliers.empty()) how.multiplier = multipliers[part];
      in_chunks(info, data.subspan(part * part_bytes, part_bytes), [&](std::span<const std::byte> rows) {
        if (is_same) {
          put(rows);
          return;
        }
        const int64_t columns = info.shape.back(), num_rows = std::ssize(rows) / row_bytes(info.type, columns);
        out_.resize(static_cast<size_t>(num_rows * row_bytes(type, columns)));
        try {
          quantize(info.type, rows, type, columns, out_, how);
        } catch (const ArgumentError& error) {  // about a value
          const int64_t row = (rows.data() - info.data) / row_bytes(info.type, columns);
          throw FormatError(concat(io::shown_name(info.name), ": cannot be written as ", type, ": in the rows from ",
                                   row, " on: ", error.what()));
        }
        put(out_);
      });
    }
  }

  // Calls `use` with whole rows, and gives the memory of a mapped file back behind them.
  template <typename Use>
  void in_chunks(const Checkpoint::TensorInfo& info, std::span<const std::byte> data, const Use& use) {
    const auto of_row = static_cast<size_t>(row_bytes(info.type, info.shape.back()));
    const size_t chunk = std::max<size_t>(1, kChunkBytes / of_row) * of_row;
    for (size_t first = 0; first < data.size(); first += chunk) {
      const std::span<const std::byte> rows = data.subspan(first, std::min(chunk, data.size() - first));
      use(rows);
      source_.release(rows.data(), rows.size());
    }
  }

  // The scale of each expert of a matrix that becomes NVFP4.
  const std::vector<float>& new_scales(size_t source) {
    const auto [found, is_new] = new_scales_.try_emplace(source);
    if (!is_new) return found->second;
    const Checkpoint::TensorInfo& info = infos_[source];
    const size_t experts = info.shape.size() == 3 ? static_cast<size_t>(info.shape[0]) : 1;
    const std::span<const std::byte> data(info.data, info.num_bytes);
    for (size_t i = 0; i < experts; ++i) {
      if (options_.interrupted && options_.interrupted()) throw Interrupted();
      const size_t bytes = data.size() / experts;
      const std::span<const std::byte> expert = data.subspan(i * bytes, bytes);
      found->second.push_back(nvfp4_scale(info.type, expert, options_.num_threads));
      source_.release(expert.data(), expert.size());
    }
    return found->second;
  }

  // The values of a weight scale, one for each expert.
  std::vector<float> factors(int64_t index, int64_t num_experts) {
    const Checkpoint::TensorInfo& info = infos_[static_cast<size_t>(index)];
    const Tensor layout = io::tensor_layout(info.name, info.type, info.shape);
    std::vector<float> values(static_cast<size_t>(layout.shape.num_elements()));
    dequantize(info.type, {info.data, info.num_bytes}, values, options_.num_threads);
    if (values.size() == 1) values.resize(static_cast<size_t>(num_experts), values[0]);
    check_format(std::ssize(values) == num_experts, io::shown_name(info.name), ": expected one factor or ", num_experts,
                 ", got ", values.size());
    return values;
  }

  static void multiply(std::vector<float>& values, const std::vector<float>& factors) {
    for (size_t i = 0; i < values.size(); ++i) values[i] *= factors[i];
  }

  static std::span<const float> importance_of(const ImatrixEntry& entry, size_t expert) {
    const auto columns = static_cast<size_t>(entry.num_columns);
    return std::span(entry.values).subspan(entry.num_experts == 1 ? 0 : expert * columns, columns);
  }

  static int64_t row_bytes(const std::string& type, int64_t columns) {
    const DTypeInfo& info = *find_dtype(type);
    return columns / info.block_elements * info.block_bytes;
  }

  int64_t count_broken(const std::string& type, std::span<const std::byte> bytes) const {
    const NotFiniteCount count = count_not_finite(type, bytes, options_.num_threads);
    return count.num_nan + count.num_infinite;
  }

  const Checkpoint& source_;
  const std::vector<Checkpoint::TensorInfo> infos_;
  const Importance& importance_;
  const QuantizeFileOptions& options_;
  std::unordered_map<size_t, std::vector<float>> new_scales_;
  std::vector<std::byte> out_;
  uint64_t done_ = 0;
};

}  // namespace

QuantizedFile quantize_file(const std::string& source, const std::string& target, const std::string& preset,
                            const QuantizeFileOptions& options) {
  const LogTimer timer;
  plan_types(preset, {});  // refuses a preset that does not exist before anything is read
  resolve_threads(options.num_threads);
  check_not_a_source(target, {source, options.imatrix});
  const Checkpoint checkpoint = open_source(source, options);
  check_not_a_source(target, checkpoint.files());  // it may be another part than the one that was given
  std::vector<GgufTensor> tensors, described;
  QuantizedFile file;
  for (const Checkpoint::TensorInfo& info : checkpoint.tensors()) {
    tensors.push_back({info.name, info.type, info.shape});
    file.source_bytes += info.num_bytes;
  }
  const Importance importance = read_importance(options.imatrix, tensors);
  const std::vector<std::string> types = plan_types(preset, tensors, {.has_importance = !importance.empty()});
  const std::vector<PlannedTensor> plan = plan_tensors(tensors, types);
  for (const PlannedTensor& planned : plan) {
    const GgufTensor& tensor = planned.tensor;
    const bool is_new = planned.values == PlannedTensor::Values::kNewScale;
    const auto entry = importance.find(tensor.name);
    if (entry != importance.end()) check_importance(tensor, entry->second);
    const auto bytes = static_cast<uint64_t>(io::tensor_layout(tensor.name, tensor.type, tensor.shape).num_bytes());
    file.tensors.push_back({tensor, is_new ? "" : tensors[planned.source].type, bytes, entry != importance.end(), 0});
    file.num_bytes += bytes;
    described.push_back(tensor);
  }
  if (options.dry_run) return file;
  std::vector<GgufKey> keys = copied_metadata(checkpoint);
  for (const Preset& each : presets()) {
    if (each.name == preset) set_file_type(keys, each.file_type);
  }
  GgufWriter writer(target, keys, described);
  Conversion(checkpoint, importance, options).write(writer, plan, file);
  writer.finish();
  log_message(LogLevel::kInfo, [&] {
    return concat("wrote ", target, " with the preset ", preset, ": ", size_text(static_cast<int64_t>(file.num_bytes)),
                  " of tensors, from ", size_text(static_cast<int64_t>(file.source_bytes)), ", in ", timer.text());
  });
  return file;
}

}  // namespace gesso
