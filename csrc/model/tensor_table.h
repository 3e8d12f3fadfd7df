// Takes tensors out of a checkpoint by name and keeps the list of everything that is wrong with it.
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
  // The stored values under a full name, of any computable type; problems are noted and an absent Tensor returned.
  Tensor values(const std::string& name, const Shape& shape);
  // A matrix `name`.weight with its optional `name`.scale.
  Weight matrix(const std::string& name, const Shape& shape);
  // As matrix(), but absence is no problem.
  Weight optional_matrix(const std::string& name, const Shape& shape);
  // An F32 vector under its full name; F16 and BF16 are widened into `converted`.
  Tensor vector(const std::string& name, int64_t size, std::vector<Buffer<float>>& converted);
  // A single number under its full name.
  float scalar(const std::string& name);
  // A tensor that may be there and is not needed.
  void ignore(const std::string& name);
  // Notes tensors that nothing took and throws one FormatError if there are any problems.
  void finish();

 private:
  void note(std::string problem) { problems_.push_back(std::move(problem)); }

  struct Entry {
    Tensor tensor;
    bool used = false;
  };
  // nullptr, with a note, when the tensor is missing, misshapen or of a type that cannot be computed with.
  const Tensor* take(const std::string& name, const Shape& shape);

  std::unordered_map<std::string, Entry> tensors_;
  std::vector<std::string> order_;
  std::vector<std::string> problems_;
};

}  // namespace gesso::model
