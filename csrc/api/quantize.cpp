#include "gesso/quantize.h"

#include <algorithm>
#include <cmath>

#include "api/thread_count.h"
#include "core/check.h"
#include "core/threads.h"
#include "quant/formats.h"

namespace gesso {
namespace {

constexpr int64_t kRunElements = 1 << 14;  // decoded at a time by a thread: 64 KB
constexpr int64_t kDecodeOperations = 4;   // per element, roughly
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

bool is_float(DType dtype) { return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16; }

void check_values(const float* values, int64_t count, int64_t first, const DTypeInfo& type) {
  const float largest = type.dtype == DType::kF16 ? 65519.996f : INFINITY;  // what still rounds to 65504
  for (int64_t i = 0; i < count; ++i) {
    const bool finite = std::isfinite(values[i]);
    const bool fits = is_float(type.dtype) ? !finite || std::fabs(values[i]) <= largest : finite;
    check(fits, "quantize: element ", first + i, " is ", values[i], ", which ", type.name, " cannot hold");
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

void quantize(const std::string& source_type, std::span<const std::byte> source, const std::string& type,
              int64_t row_elements, std::span<std::byte> out, const QuantizeOptions& options) {
  const DTypeInfo& from = readable_type("quantize", source_type);
  const DTypeInfo& to = find_type("quantize", type);
  const quant::EncodeRow encode = quant::find_encoder(to.dtype);
  check(encode, "quantize: cannot write type ", type, "; supported: ", quant::encodable_types());
  const int64_t elements = elements_of("quantize", from, source.size());
  check(row_elements >= 1 && elements % row_elements == 0, "quantize: ", elements, " elements are no whole rows of ",
        row_elements);
  for (const DTypeInfo* info : {&from, &to}) {
    check(row_elements % info->block_elements == 0, "quantize: rows of ", row_elements, " are no whole number of ",
          info->name, " blocks of ", info->block_elements);
  }
  const int64_t row_bytes = row_elements / to.block_elements * to.block_bytes;
  check(static_cast<int64_t>(out.size()) == elements / row_elements * row_bytes, "quantize: expected ",
        elements / row_elements * row_bytes, " bytes of out, got ", out.size());
  const std::span<const float> importance = options.importance;
  check(importance.empty() || static_cast<int64_t>(importance.size()) == row_elements,
        "quantize: importance: expected ", row_elements, " values, got ", importance.size());
  for (const float value : importance) {
    check(std::isfinite(value) && value >= 0, "quantize: importance: expected finite values >= 0, got ", value);
  }
  check(std::isfinite(options.multiplier), "quantize: multiplier: expected a finite number, got ", options.multiplier);
  const bool matters = std::any_of(importance.begin(), importance.end(), [](float value) { return value > 0; });

  const quant::DecodeRow decode = quant::find_decoder(from.dtype);
  const int64_t source_row_bytes = row_elements / from.block_elements * from.block_bytes;
  const int64_t run = std::max<int64_t>(1, kRunElements / row_elements), rows = elements / row_elements;
  const Context context{resolve_threads(options.num_threads), {}};
  parallel_for(context, (rows + run - 1) / run, run * row_elements * kEncodeOperations, [&](int64_t i) {
    const int64_t first = i * run, count = std::min(run, rows - first);
    std::vector<float> values(count * row_elements);
    decode(source.data() + first * source_row_bytes, count * row_elements, values.data());
    if (options.multiplier != 1.0f) {
      for (float& value : values) value *= options.multiplier;
    }
    check_values(values.data(), count * row_elements, first * row_elements, to);
    for (int64_t r = 0; r < count; ++r) {
      encode(values.data() + r * row_elements, row_elements, matters ? importance.data() : nullptr,
             out.data() + (first + r) * row_bytes);
    }
  });
}

}  // namespace gesso
