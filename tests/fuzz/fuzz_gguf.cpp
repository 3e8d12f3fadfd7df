// A libFuzzer target. For any bytes parse_gguf must throw FormatError or return a file whose views lie inside the
// bytes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>
#include <variant>

#include "gesso/error.h"
#include "io/gguf.h"

namespace {

// Aborts unless the view lies inside the input. The fuzzer reports an abort.
void expect_inside(std::span<const std::byte> input, const void* begin, size_t size) {
  const auto* data = static_cast<const std::byte*>(begin);
  if (size != 0 && (data < input.data() || data + size > input.data() + input.size())) std::abort();
}

void expect_value_inside(std::span<const std::byte> input, const gesso::io::MetadataValue& value) {
  if (const auto* text = std::get_if<std::string_view>(&value)) expect_inside(input, text->data(), text->size());
  if (const auto* numbers = std::get_if<gesso::NumberArray>(&value)) {
    const size_t number_bytes = gesso::visit_number_type(numbers->type, [](auto stored) { return sizeof(stored); });
    expect_inside(input, numbers->data, numbers->size * number_bytes);
    for (size_t i = 0; i < numbers->size; ++i) {
      if (numbers->type == gesso::NumberType::kU64 && numbers->at<int64_t>(i) < 0) std::abort();
    }
  }
  if (const auto* list = std::get_if<std::vector<std::string_view>>(&value)) {
    for (const std::string_view text : *list) expect_inside(input, text.data(), text.size());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const std::byte> input(reinterpret_cast<const std::byte*>(data), size);
  try {
    const gesso::io::GgufFile file = gesso::io::parse_gguf(input);
    for (const std::string& key : file.metadata.keys()) {
      expect_value_inside(input, *file.metadata.find(key));
      const std::span<const std::byte> encoded = file.metadata.encoded(key);
      expect_inside(input, encoded.data(), encoded.size());
    }
    for (const auto& [name, tensor, offset] : file.tensors) {
      expect_inside(input, tensor.data, static_cast<size_t>(tensor.num_bytes()));
    }
  } catch (const gesso::FormatError&) {
    // A broken file may be answered with this error. Any other exception ends the run, and the fuzzer reports it.
  }
  return 0;
}
