#include "io/gguf_head.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_set>

#include "core/check.h"
#include "gesso/limits.h"
#include "io/gguf.h"
#include "io/metadata.h"
#include "io/tensor_layout.h"

namespace gesso::io {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr uint32_t kVersion = 3;
constexpr size_t kNumTensorsAt = 8;  // in bytes from the start of the file
constexpr uint32_t kU32 = 4;         // GGUF's number for the type of a value
constexpr uint32_t kQuantizationVersion = 2;
constexpr int64_t kDefaultAlignment = 32;
constexpr char kArchitecture[] = "general.architecture", kQuantization[] = "general.quantization_version";

void append(std::string& bytes, std::span<const std::byte> more) {
  bytes.append(reinterpret_cast<const char*>(more.data()), more.size());
}

template <typename Number>
void append_number(std::string& bytes, Number number) {
  append(bytes, std::as_bytes(std::span(&number, 1)));
}

void append_text(std::string& bytes, std::string_view text) {
  append_number(bytes, uint64_t{text.size()});
  bytes += text;
}

std::span<const std::byte> as_bytes(const std::string& bytes) { return std::as_bytes(std::span(bytes)); }

std::vector<std::byte> to_vector(const std::string& bytes) {
  const auto all = as_bytes(bytes);
  return {all.begin(), all.end()};
}

// Readers want the architecture first.
std::vector<GgufKey> in_order(std::span<const GgufKey> keys) {
  std::vector<GgufKey> ordered;
  std::string version;
  append_number(version, kU32);
  append_number(version, kQuantizationVersion);
  for (const GgufKey& key : keys) {
    if (key.key == kArchitecture) ordered.push_back(key);
  }
  check_format(!ordered.empty(), "metadata: missing key ", kArchitecture);
  ordered.push_back({kQuantization, to_vector(version)});
  for (const GgufKey& key : keys) {
    if (key.key != kArchitecture && key.key != kQuantization) ordered.push_back(key);
  }
  return ordered;
}

// The file as it would be without tensors.
std::string without_tensors(const std::vector<GgufKey>& keys) {
  std::string head(kMagic);
  append_number(head, kVersion);
  append_number(head, uint64_t{0});
  append_number(head, uint64_t{keys.size()});
  for (const GgufKey& key : keys) {
    append_text(head, key.key);
    append(head, key.value);
  }
  return head;
}

// Reads what was written, so that nothing is written that cannot be read. Returns the alignment.
uint64_t check_metadata(const std::string& head, const std::vector<GgufKey>& keys) {
  const Metadata metadata = parse_gguf(as_bytes(head)).metadata;
  for (const GgufKey& key : keys) {
    check_format(metadata.has(key.key) && metadata.encoded(key.key).size() == key.value.size(), "metadata key ",
                 quoted(key.key), ": expected one value, got ", key.value.size(), " bytes that are something else");
  }
  return static_cast<uint64_t>(metadata.get_int("general.alignment", kDefaultAlignment));
}

void check_names(std::span<const GgufTensor> tensors) {
  check_format(std::ssize(tensors) <= kMaxTensors, "tensors: expected at most ", kMaxTensors, ", got ", tensors.size());
  std::unordered_set<std::string_view> names;
  for (const GgufTensor& tensor : tensors) {
    check_format(!tensor.name.empty() && std::ssize(tensor.name) <= kMaxNameBytes, "tensor ", quoted(tensor.name),
                 ": expected a name of 1 to ", kMaxNameBytes, " bytes, got ", tensor.name.size());
    check_format(names.insert(tensor.name).second, "tensor ", quoted(tensor.name), " is there twice");
  }
}

}  // namespace

GgufHead make_gguf_head(std::span<const GgufKey> keys, std::span<const GgufTensor> tensors) {
  const std::vector<GgufKey> ordered = in_order(keys);
  std::string head = without_tensors(ordered);
  GgufHead made;
  made.alignment = check_metadata(head, ordered);
  check_names(tensors);
  const uint64_t num_tensors = tensors.size();
  std::memcpy(head.data() + kNumTensorsAt, &num_tensors, sizeof num_tensors);
  uint64_t offset = 0;
  for (const GgufTensor& tensor : tensors) {
    const Tensor layout = tensor_layout(tensor.name, tensor.type, tensor.shape);
    append_text(head, tensor.name);
    append_number(head, static_cast<uint32_t>(layout.shape.rank));
    for (int i = layout.shape.rank - 1; i >= 0; --i) append_number(head, layout.shape[i]);  // innermost first
    append_number(head, static_cast<uint32_t>(layout.dtype));
    append_number(head, offset);
    made.tensor_bytes.push_back(static_cast<uint64_t>(layout.num_bytes()));
    const uint64_t padding = padding_behind(made.tensor_bytes.back(), made.alignment);
    check_format(!__builtin_add_overflow(offset, made.tensor_bytes.back() + padding, &offset), "tensor ",
                 quoted(tensor.name), ": the bytes up to its end overflow 64 bits");
  }
  head.resize(head.size() + padding_behind(head.size(), made.alignment));
  made.bytes = to_vector(head);
  return made;
}

}  // namespace gesso::io
