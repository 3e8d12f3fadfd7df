// Tensors as Python describes them.
#pragma once

#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <string>
#include <tuple>
#include <vector>

#include "bindings.h"
#include "gesso/gguf_writer.h"

namespace gesso::bindings {

using DescribedTensor = std::tuple<std::string, std::string, std::vector<int64_t>>;  // name, type, shape

inline std::vector<GgufTensor> to_tensors(const std::vector<DescribedTensor>& described) {
  std::vector<GgufTensor> tensors;
  for (const auto& [name, type, shape] : described) tensors.push_back({name, type, shape});
  return tensors;
}

}  // namespace gesso::bindings
