#include "bindings.h"
#include "gguf_tensors.h"

namespace gesso::bindings {
namespace {

using Key = std::tuple<nb::bytes, nb::bytes>;  // key, value as stored

nb::bytes head_of(const std::vector<Key>& keys, const std::vector<DescribedTensor>& tensors) {
  std::vector<GgufKey> stored;
  for (const auto& [key, value] : keys) {
    const auto* first = static_cast<const std::byte*>(value.data());
    stored.push_back({std::string(key.c_str(), key.size()), {first, first + value.size()}});
  }
  const std::vector<std::byte> head = gguf_head(stored, to_tensors(tensors));
  return nb::bytes(head.data(), head.size());
}

std::vector<Key> copied_metadata_of(const Checkpoint& checkpoint) {
  std::vector<Key> keys;
  for (const GgufKey& key : copied_metadata(checkpoint)) {
    keys.emplace_back(nb::bytes(key.key.data(), key.key.size()), nb::bytes(key.value.data(), key.value.size()));
  }
  return keys;
}

}  // namespace

void bind_gguf_writer(nb::module_& module) {
  module.def("gguf_head", head_of, nb::arg("keys"), nb::arg("tensors"),
             "What a GGUF file has in front of its tensors' bytes. keys: each with its value as files store it;"
             " tensors: name, type and shape of each.");
  module.def("copied_metadata", copied_metadata_of, nb::arg("checkpoint"),
             "The metadata of a file for a new file with the same model, as `gguf_head` takes them.");
}

}  // namespace gesso::bindings
