#include "gesso/quantize.h"

#include <algorithm>
#include <cmath>
#include <mutex>

#include "core/check.h"
#include "core/finite.h"
#include "core/threads/thread_count.h"
#include "core/threads/thread_scratch.h"
#include "core/threads/threads.h"
#include "quant/formats.h"

namespace gesso {
namespace {

constexpr int64_t kRunElements = 1 << 14;  // values that a thread decodes at a time: 64 KB
constexpr int64_t kDecodeOperations = 4;   // per value, roughly
constexpr int64_t kEncodeOperations = 200;

const DTypeInfo& find_type(const char* what, const std::string& name) {
  const DTypeInfo* info = find_dtype(name);
  check(info, what, ": unknown tensor type ", name);
  return *info;
}

const DTypeInfo& readable_type(const char* what, const std::string& name) {
  const DTypeInfo& info = find_type(what, name);
  check(quant::find_decoder(info.dtype), what, ": cannot read type ", name, "; supported: ", quant::supported_types());
  return info;
}

int64_t elements_of(const char* what, const DTypeInfo& info, size_t bytes) {
  check(bytes % info.block_bytes == 0, what, ": ", bytes, " bytes are no whole number of ", info.name, " blocks of ",
        info.block_bytes);
  return static_cast<int64_t>(bytes / info.block_bytes * info.block_elements);
}

void check_sizes(const DTypeInfo& from, int64_t elements, const DTypeInfo& to, int64_t row_elements, size_t out_bytes) {
  check(row_elements >= 1 && elements % row_elements == 0, "quantize: ", elements, " elements are no whole rows of ",
        row_elements);
  for (const DTypeInfo* info : {&from, &to}) {
    check(row_elements % info->block_elements == 0, "quantize: rows of ", row_elements, " are no whole number of ",
          info->name, " blocks of ", info->block_elements);
  }
  const int64_t expected = elements / to.block_elements * to.block_bytes;
  check(static_cast<int64_t>(out_bytes) == expected, "quantize: expected ", expected, " bytes of out, got ", out_bytes);
}

void check_options(const QuantizeOptions& options, int64_t row_elements) {
  const std::span<const float> importance = options.importance;
  check(importance.empty() || static_cast<int64_t>(importance.size()) == row_elements,
        "quantize: importance: expected ", row_elements, " values, got ", importance.size());
  for (const float value : importance) {
    check(std::isfinite(value) && value >= 0, "quantize: importance: expected finite values >= 0, got ", value);
  }
  check(std::isfinite(options.multiplier), "quantize: multiplier: expected a finite number, got ", options.multiplier);
}

// `first`, here and below, is the number of the first value in the source.
void multiply(std::span<float> values, float multiplier, int64_t first) {
  for (size_t i = 0; i < values.size(); ++i) {
    const float product = values[i] * multiplier;
    check(std::isfinite(product) || !std::isfinite(values[i]), "quantize: element ", first + i, " is ", values[i],
          ", and times ", multiplier, " beyond float32");
    values[i] = product;
  }
}

void check_values(std::span<const float> values, const DTypeInfo& type, int64_t first) {
  const bool is_float = type.block_elements == 1;
  // The least magnitude that would be rounded to infinity.
  const float limit = type.dtype == DType::kF16 ? 65520.0f : type.dtype == DType::kBF16 ? 0x1.ffp127f : INFINITY;
  for (size_t i = 0; i < values.size(); ++i) {
    check(std::isfinite(values[i]) ? std::fabs(values[i]) < limit : is_float, "quantize: element ", first + i, " is ",
          values[i], ", which ", type.name, " cannot hold");
  }
}

}  // namespace

std::vector<TensorType> tensor_types() {
  std::vector<TensorType> types;
  for (const DTypeInfo& info : all_dtypes()) {
    types.push_back({info.name, static_cast<uint32_t>(info.dtype), info.block_elements, info.block_bytes,
                     quant::find_decoder(info.dtype) != nullptr, quant::find_encoder(info.dtype) != nullptr});
  }
  return types;
}

void dequantize(const std::string& type, std::span<const std::byte> data, std::span<float> out, int num_threads) {
  const DTypeInfo& info = readable_type("dequantize", type);
  const int64_t elements = elements_of("dequantize", info, data.size());
  check(static_cast<int64_t>(out.size()) == elements, "dequantize: ", data.size(), " bytes of ", type, " are ",
        elements, " elements, out has ", out.size());
  const quant::DecodeRow decode = quant::find_decoder(info.dtype);
  const Context context{resolve_threads(num_threads), {}};
  parallel_for(context, (elements + kRunElements - 1) / kRunElements, kRunElements * kDecodeOperations, [&](int64_t i) {
    const int64_t first = i * kRunElements, count = std::min(kRunElements, elements - first);
    decode(data.data() + first / info.block_elements * info.block_bytes, count, out.data() + first);
  });
}

NotFiniteCount count_not_finite(const std::string& type, std::span<const std::byte> data, int num_threads) {
  const DTypeInfo& info = readable_type("count_not_finite", type);
  const int64_t elements = elements_of("count_not_finite", info, data.size());
  const quant::DecodeRow decode = quant::find_decoder(info.dtype);
  const Context context{resolve_threads(num_threads), {}};
  NotFiniteCount total;
  std::mutex mutex;  // of `total`
  parallel_for(context, (elements + kRunElements - 1) / kRunElements, kRunElements * kDecodeOperations, [&](int64_t i) {
    const int64_t first = i * kRunElements, count = std::min(kRunElements, elements - first);
    float* values = thread_scratch(kRunElements);
    decode(data.data() + first / info.block_elements * info.block_bytes, count, values);
    if (all_finite(values, count)) return;
    const std::scoped_lock lock(mutex);
    for (int64_t k = 0; k < count; ++k) {
      if (std::isfinite(values[k])) continue;
      ++(std::isnan(values[k]) ? total.num_nan : total.num_infinite);
      if (total.first < 0 || first + k < total.first) total.first = first + k;
    }
  });
  return total;
}

void quantize(const std::string& source_type, std::span<const std::byte> source, const std::string& type,
              int64_t row_elements, std::span<std::byte> out, const QuantizeOptions& options) {
  const DTypeInfo& from = readable_type("quantize", source_type);
  const DTypeInfo& to = find_type("quantize", type);
  const quant::EncodeRow encode = quant::find_encoder(to.dtype);
  check(encode, "quantize: cannot write type ", type, "; supported: ", quant::encodable_types());
  const int64_t elements = elements_of("quantize", from, source.size());
  check_sizes(from, elements, to, row_elements, out.size());
  check_options(options, row_elements);
  if (elements == 0) return;

  const bool matters = std::any_of(options.importance.begin(), options.importance.end(), [](float w) { return w > 0; });
  const float* importance = matters ? options.importance.data() : nullptr;
  const quant::DecodeRow decode = quant::find_decoder(from.dtype);
  const int64_t source_row_bytes = row_elements / from.block_elements * from.block_bytes;
  const int64_t row_bytes = row_elements / to.block_elements * to.block_bytes;
  const int64_t run = std::max<int64_t>(1, kRunElements / row_elements), rows = elements / row_elements;
  const Context context{resolve_threads(options.num_threads), {}};
  parallel_for(context, (rows + run - 1) / run, run * row_elements * kEncodeOperations, [&](int64_t i) {
    const int64_t first = i * run, count = std::min(run, rows - first);
    std::vector<float> values(count * row_elements);
    decode(source.data() + first * source_row_bytes, count * row_elements, values.data());
    if (options.multiplier != 1.0f) multiply(values, options.multiplier, first * row_elements);
    check_values(values, to, first * row_elements);
    for (int64_t r = 0; r < count; ++r) {
      encode(values.data() + r * row_elements, row_elements, importance, out.data() + (first + r) * row_bytes);
    }
  });
}

}  // namespace gesso
