// The content of a checkpoint, before it becomes a model: metadata and tensors, from a GGUF file or put together by
// hand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

namespace gesso {

namespace io {
struct GgufFile;
}

// Copies share their content. Threads: any number of threads may read a checkpoint at the same time, and make models of
// it. While one of them does, set() and add_tensor() throw BusyError, and while one of these two is under way, every
// other call does.
class Checkpoint {
 public:
  // Integers and floats of every width come as int64_t and double. monostate stands for an array of arrays, which gesso
  // does not read.
  using Value = std::variant<std::monostate, bool, int64_t, double, std::string, std::vector<int64_t>,
                             std::vector<double>, std::vector<std::string>>;
  struct TensorInfo {
    std::string name;
    std::string type;            // ggml's name: "Q4_K"
    std::vector<int64_t> shape;  // outermost first
    uint64_t num_bytes = 0;
    const std::byte* data = nullptr;
    uint64_t offset = 0;  // of the data in its file; 0 if the checkpoint was put together by hand
  };

  // Makes an empty checkpoint, to be filled with set() and add_tensor() under GGUF's names.
  Checkpoint();
  // Maps a GGUF file; nothing is copied. IoError or FormatError.
  static Checkpoint open(const std::string& path);
  // Parses GGUF bytes in memory, which `owner` keeps alive. FormatError.
  static Checkpoint parse(std::span<const std::byte> bytes, std::shared_ptr<const void> owner);

  // Sets the value of a new key. FormatError when the key exists.
  void set(const std::string& key, Value value);
  // The checkpoint refers to `data` (row major, whole blocks) and shares `owner`, which keeps the data alive.
  // FormatError for an unknown type, a rank outside 1..4, an extent below 1, a row of partial blocks, or a number of
  // bytes that does not fit the shape.
  void add_tensor(const std::string& name, const std::string& type, const std::vector<int64_t>& shape,
                  std::span<const std::byte> data, std::shared_ptr<const void> owner);

  std::vector<std::string> keys() const;      // in the order of the file
  Value value(const std::string& key) const;  // FormatError when missing
  // The value as the GGUF file stores it: its type (u32), then the value. A copy made from it loses nothing. It lives
  // as long as the checkpoint. It is empty if the checkpoint was put together by hand. FormatError when the key is
  // missing.
  std::span<const std::byte> encoded_value(const std::string& key) const;
  std::vector<TensorInfo> tensors() const;  // in the order of the file
  uint64_t file_bytes() const;              // 0 if the checkpoint was put together by hand

  const io::GgufFile& file() const { return *file_; }
  // The content stays as it is for as long as the result lives. BusyError, which begins with `call`, while set() or
  // add_tensor() is under way.
  std::shared_ptr<const void> keep_unchanged(const char* call) const;

 private:
  struct Parts;
  std::shared_ptr<io::GgufFile> file_;
  std::shared_ptr<Parts> parts_;  // only if it was put together by hand
};

}  // namespace gesso
