#include "model/tensor_table.h"

#include "core/check.h"
#include "io/metadata.h"
#include "quant/formats.h"

namespace gesso::model {

TensorTable::TensorTable(const io::GgufFile& file) {
  for (const io::NamedTensor& named : file.tensors) {
    tensors_[named.name] = {named.tensor};
    order_.push_back(named.name);
  }
}

const Tensor* TensorTable::take(const std::string& name, const Shape& shape) {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    note("missing " + name + " " + shape.to_string());
    return nullptr;
  }
  found->second.used = true;
  const Tensor& tensor = found->second.tensor;
  if (!(tensor.shape == shape)) {
    note(name + ": expected shape " + shape.to_string() + ", got " + tensor.shape.to_string());
    return nullptr;
  }
  if (!quant::find_decoder(tensor.dtype)) {
    note(name + ": cannot compute with type " + dtype_name(tensor.dtype) + "; supported: " + quant::supported_types());
    return nullptr;
  }
  return &tensor;
}

Tensor TensorTable::values(const std::string& name, const Shape& shape) {
  const Tensor* tensor = take(name, shape);
  return tensor ? *tensor : Tensor{};
}

void TensorTable::ignore(const std::string& name) {
  const auto found = tensors_.find(name);
  if (found != tensors_.end()) found->second.used = true;
}

Weight TensorTable::matrix(const std::string& name, const Shape& shape) {
  Weight weight;
  weight.values = values(name + ".weight", shape);
  if (has(name + ".scale")) {
    const Tensor& scale = tensors_[name + ".scale"].tensor;
    const int64_t size = shape.rank == 3 && scale.shape.num_elements() != 1 ? shape[0] : 1;
    if (const Tensor* taken = take(name + ".scale", {size})) {
      if (taken->dtype == DType::kF32) {
        weight.scale = *taken;
      } else {
        note(name + ".scale: expected type F32, got " + dtype_name(taken->dtype));
      }
    }
  }
  // Runtimes that quantise activations to 8 bits or less may use this as a hint. gesso does not.
  ignore(name + ".input_scale");
  return weight;
}

Weight TensorTable::optional_matrix(const std::string& name, const Shape& shape) {
  return has(name + ".weight") ? matrix(name, shape) : Weight{};
}

Tensor TensorTable::vector(const std::string& name, int64_t size, std::vector<Buffer<float>>& converted) {
  const Tensor* tensor = take(name, {size});
  if (!tensor) return {};
  if (tensor->dtype == DType::kF32) return *tensor;
  converted.emplace_back(size);
  quant::find_decoder(tensor->dtype)(tensor->data, size, converted.back().data());
  Tensor widened = *tensor;
  widened.dtype = DType::kF32;
  widened.data = reinterpret_cast<const std::byte*>(converted.back().data());
  return widened;
}

float TensorTable::scalar(const std::string& name) {
  float value = 0;
  if (const Tensor* tensor = take(name, {1})) quant::find_decoder(tensor->dtype)(tensor->data, 1, &value);
  return value;
}

void TensorTable::finish() {
  for (const std::string& name : order_) {
    const Entry& entry = tensors_[name];
    if (!entry.used) note("unexpected " + io::shown_name(name) + " " + entry.tensor.shape.to_string());
  }
  if (problems_.empty()) return;
  constexpr size_t kShown = 20;  // a wrong file has hundreds of problems; the first ones tell which file it is
  std::string message = concat("tensors do not fit the configuration (", problems_.size(), " problems):");
  for (size_t i = 0; i < problems_.size() && i < kShown; ++i) message += "\n  " + problems_[i];
  if (problems_.size() > kShown) message += concat("\n  and ", problems_.size() - kShown, " more");
  throw FormatError(message);
}

}  // namespace gesso::model
