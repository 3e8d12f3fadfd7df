// libFuzzer target: whatever the bytes, parse_gguf returns a file whose views lie inside them, or throws FormatError.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string_view>
#include <variant>

#include "gesso/error.h"
#include "io/gguf.h"

namespace {

// Aborts, which the fuzzer reports, unless the view lies inside the input.
void expect_inside(std::span<const std::byte> input, const void* begin, size_t size) {
  const auto* data = static_cast<const std::byte*>(begin);
  if (size != 0 && (data < input.data() || data + size > input.data() + input.size())) std::abort();
}

void expect_value_inside(std::span<const std::byte> input, const gesso::io::MetadataValue& value) {
  if (const auto* text = std::get_if<std::string_view>(&value)) expect_inside(input, text->data(), text->size());
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
    // The expected answer to a broken file; any other exception ends the run as a finding.
  }
  return 0;
}
