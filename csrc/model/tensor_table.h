// Takes tensors out of a checkpoint by name, and lists everything that is wrong with it.
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "core/buffer.h"
#include "io/gguf.h"
#include "ops/weight.h"

namespace gesso::model {

class TensorTable {
 public:
  explicit TensorTable(const io::GgufFile& file);

  bool has(const std::string& name) const { return tensors_.count(name) != 0; }
  // The values stored under a full name, of any computable type. Problems are noted, and then the Tensor is absent.
  Tensor values(const std::string& name, const Shape& shape);
  // The matrix `name`.weight, and its `name`.scale if there is one.
  Weight matrix(const std::string& name, const Shape& shape);
  // As matrix(), but the matrix may be absent.
  Weight optional_matrix(const std::string& name, const Shape& shape);
  // The F32 vector under a full name. A vector of F16 or BF16 is widened into `converted`.
  Tensor vector(const std::string& name, int64_t size, std::vector<Buffer<float>>& converted);
  // The single number under a full name.
  float scalar(const std::string& name);
  // Accepts a tensor that the model does not need.
  void ignore(const std::string& name);
  // Notes tensors that nothing took. If there are any problems, it throws one FormatError with all of them.
  void finish();

 private:
  void note(std::string problem) { problems_.push_back(std::move(problem)); }

  struct Entry {
    Tensor tensor;
    bool used = false;
  };
  // Returns nullptr, and notes why, when the tensor is missing, has another shape, or a type that cannot be computed
  // with.
  const Tensor* take(const std::string& name, const Shape& shape);

  std::unordered_map<std::string, Entry> tensors_;
  std::vector<std::string> order_;
  std::vector<std::string> problems_;
};

}  // namespace gesso::model
