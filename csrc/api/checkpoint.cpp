#include "gesso/checkpoint.h"

#include <cerrno>
#include <deque>
#include <unordered_set>

#include "core/check.h"
#include "core/log.h"
#include "core/users.h"
#include "gesso/limits.h"
#include "io/file_kind.h"
#include "io/gguf.h"
#include "io/metadata.h"
#include "io/open_gguf.h"
#include "io/tensor_layout.h"

namespace gesso {
namespace {

constexpr char kBusy[] =
    "the checkpoint is busy: another thread is inside one of its calls. A checkpoint that is put together by hand must"
    " be complete before threads share it";

// Only the Python package reads folders. It gives them GGUF's keys and names.
constexpr char kFolderHint[] =
    "Give the GGUF file in it. Of a folder with config.json and safetensors, `gesso convert FOLDER MODEL.gguf` makes "
    "one";

}  // namespace

// What a checkpoint that was put together by hand keeps alive: its strings and numbers, and the owners of its tensors.
struct Checkpoint::Parts {
  // A deque never moves its elements.
  std::deque<std::string> strings;
  std::deque<std::vector<int64_t>> integers;
  std::deque<std::vector<double>> floats;
  std::vector<std::shared_ptr<const void>> owners;
  std::unordered_set<std::string> tensor_names;
  Users users{kBusy};

  std::string_view keep(const std::string& text) { return strings.emplace_back(text); }
  NumberArray keep(const std::vector<int64_t>& values) { return integers.emplace_back(values); }
  NumberArray keep(const std::vector<double>& values) { return floats.emplace_back(values); }
};

namespace {

template <typename Parts>
io::MetadataValue to_metadata(const Checkpoint::Value& value, Parts& parts) {
  return std::visit(
      [&](const auto& v) -> io::MetadataValue {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, std::vector<int64_t>> ||
                      std::is_same_v<T, std::vector<double>>) {
          return parts.keep(v);
        } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
          std::vector<std::string_view> views;
          for (const std::string& text : v) views.push_back(parts.keep(text));
          return views;
        } else {
          return v;
        }
      },
      value);
}

Checkpoint::Value to_value(const io::MetadataValue& value) {
  return std::visit(
      [](const auto& v) -> Checkpoint::Value {
        using T = std::decay_t<decltype(v)>;
        if constexpr (std::is_same_v<T, std::string_view>) {
          return std::string(v);
        } else if constexpr (std::is_same_v<T, std::vector<std::string_view>>) {
          return std::vector<std::string>(v.begin(), v.end());
        } else if constexpr (std::is_same_v<T, NumberArray>) {
          if (v.is_float()) return v.template to_vector<double>();
          return v.template to_vector<int64_t>();
        } else {
          return v;
        }
      },
      value);
}

}  // namespace

Checkpoint::Checkpoint() : file_(std::make_shared<io::GgufFile>()), parts_(std::make_shared<Parts>()) {
  file_->owner = parts_;
}

Checkpoint Checkpoint::open(const std::string& path, const OpenOptions& options) {
  const LogTimer timer;
  const io::FileAccess access = options.mmap ? io::FileAccess::kMap : io::FileAccess::kRead;
  Checkpoint checkpoint;
  checkpoint.parts_ = nullptr;
  try {
    checkpoint.file_ =
        std::make_shared<io::GgufFile>(io::open_gguf(path, access, options.interrupted, options.progress));
  } catch (const IoError& error) {
    if (error.error_number != EISDIR) throw;
    throw IoError(concat(error.what(), ". ", kFolderHint), EISDIR);
  }
  const io::GgufFile& file = *checkpoint.file_;
  log_message(LogLevel::kInfo, [&] {
    return concat("opened ", path, ": ", size_text(static_cast<int64_t>(file.file_bytes)), " in ",
                  count_text(std::ssize(file.files), "file"), ", ", count_text(std::ssize(file.tensors), "tensor"),
                  ", ", options.mmap ? "mapped" : "read", " in ", timer.text());
  });
  return checkpoint;
}

Checkpoint Checkpoint::parse(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                             const std::function<bool()>& interrupted) {
  Checkpoint checkpoint;
  checkpoint.file_ = std::make_shared<io::GgufFile>(io::parse_gguf(bytes, interrupted));
  checkpoint.file_->owner = std::move(owner);
  checkpoint.parts_ = nullptr;
  return checkpoint;
}

void Checkpoint::set(const std::string& key, Value value) {
  check(parts_ != nullptr, "checkpoint: a file's metadata cannot be changed (key ", key, ")");
  const Changing changing(parts_->users, "set");
  file_->metadata.add(key, to_metadata(value, *parts_));
}

void Checkpoint::add_tensor(const std::string& name, const std::string& type, const std::vector<int64_t>& shape,
                            std::span<const std::byte> data, std::shared_ptr<const void> owner) {
  check(parts_ != nullptr, "checkpoint: tensors cannot be added to a file (tensor ", name, ")");
  const Changing changing(parts_->users, "add_tensor");
  Tensor tensor = io::tensor_layout(name, type, shape);
  check_format(static_cast<int64_t>(data.size()) == tensor.num_bytes(), "tensor ", name, ": expected ",
               tensor.num_bytes(), " bytes, got ", data.size());
  tensor.data = data.data();
  check_format(parts_->tensor_names.insert(name).second, "tensor ", io::shown_name(name), " is there twice");
  check_format(std::ssize(file_->tensors) < kMaxTensors, "tensors: expected at most ", kMaxTensors, ", got more");
  file_->tensors.push_back({name, tensor, 0});
  parts_->owners.push_back(std::move(owner));
}

std::shared_ptr<const void> Checkpoint::keep_unchanged(const char* call) const {
  if (!parts_) return nullptr;  // nothing changes a file
  struct Kept {
    std::shared_ptr<Parts> parts;
    Reading reading;
  };
  return std::shared_ptr<Kept>(new Kept{parts_, {parts_->users, call}});
}

std::vector<std::string> Checkpoint::keys() const {
  const auto kept = keep_unchanged("keys");
  return file_->metadata.keys();
}

Checkpoint::Value Checkpoint::value(const std::string& key) const {
  const auto kept = keep_unchanged("value");
  const io::MetadataValue* value = file_->metadata.find(key);
  check_format(value, "missing key ", key);
  return to_value(*value);
}

std::optional<NumberArray> Checkpoint::numbers(const std::string& key) const {
  const auto kept = keep_unchanged("numbers");
  const io::MetadataValue* value = file_->metadata.find(key);
  check_format(value, "missing key ", key);
  const auto* numbers = std::get_if<NumberArray>(value);
  return numbers ? std::optional(*numbers) : std::nullopt;
}

std::span<const std::byte> Checkpoint::encoded_value(const std::string& key) const {
  const auto kept = keep_unchanged("encoded_value");
  return file_->metadata.encoded(key);
}

std::vector<Checkpoint::TensorInfo> Checkpoint::tensors() const {
  const auto kept = keep_unchanged("tensors");
  std::vector<TensorInfo> infos;
  for (const io::NamedTensor& named : file_->tensors) {
    const Tensor& tensor = named.tensor;
    infos.push_back({named.name,
                     dtype_name(tensor.dtype),
                     {tensor.shape.extents.begin(), tensor.shape.extents.begin() + tensor.shape.rank},
                     static_cast<uint64_t>(tensor.num_bytes()),
                     tensor.data,
                     named.offset});
  }
  return infos;
}

uint64_t Checkpoint::file_bytes() const { return file_->file_bytes; }

std::vector<std::string> Checkpoint::files() const {
  std::vector<std::string> paths;
  for (const auto& file : file_->files) paths.push_back(file->path());
  return paths;
}

void Checkpoint::release(const std::byte* data, uint64_t num_bytes) const {
  for (const auto& file : file_->files) file->release({data, num_bytes});
}

std::string file_kind(std::span<const std::byte> begin) { return std::string(io::file_kind(begin)); }

}  // namespace gesso
