// The content of a checkpoint, before it becomes a model: metadata and tensors, from a GGUF file or put together by
// hand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "gesso/export.h"
#include "gesso/number_array.h"

namespace gesso {

namespace io {
struct GgufFile;
}

// How Checkpoint::open and Model::load bring a file's bytes into memory.
struct OpenOptions {
  // true   The file is mapped: it takes no time and no memory of its own, and processes share it. Nobody may change the
  //        file while the checkpoint or its model lives. If it is cut off, the system ends the process (SIGBUS); if it
  //        is written to, weights change. A file that takes the name of an old one changes nothing.
  // false  The file is read once and takes as much memory as it is long. What happens to it later does not matter.
  bool mmap = true;
  std::function<bool()> interrupted = {};  // called while the file is read; true ends it by throwing Interrupted
  // Called while the file is read, with the bytes that have come and the bytes in all. Each part of a split file counts
  // from 0. It is not called for a file that is mapped.
  std::function<void(int64_t, int64_t)> progress = {};
};

// Copies share their content. Threads: any number of threads may read a checkpoint at the same time, and make models of
// it. While one of them does, set() and add_tensor() throw BusyError, and while one of these two is under way, every
// other call does.
class GESSO_API Checkpoint {
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
    uint64_t offset = 0;  // of the data in its file or part; 0 if the checkpoint was put together by hand
  };

  // Makes an empty checkpoint, to be filled with set() and add_tensor() under GGUF's names.
  Checkpoint();
  // Opens a GGUF file, or all parts of a split one ("model-00002-of-00003.gguf"), of which `path` may be any. IoError
  // for what cannot be read, for anything but a regular file and for a missing part; FormatError for the content;
  // ArgumentError for a path that is empty or holds a NUL; OutOfMemory without mmap, if the file does not fit.
  static Checkpoint open(const std::string& path, const OpenOptions& options = {});
  // Parses GGUF bytes in memory, which `owner` keeps alive. FormatError.
  static Checkpoint parse(std::span<const std::byte> bytes, std::shared_ptr<const void> owner,
                          const std::function<bool()>& interrupted = {});

  // Sets the value of a new key. FormatError when the key exists.
  void set(const std::string& key, Value value);
  // The checkpoint refers to `data` (row major, whole blocks) and shares `owner`, which keeps the data alive.
  // FormatError for an unknown type, a rank outside 1..4, an extent below 1, a row of partial blocks, or a number of
  // bytes that does not fit the shape.
  void add_tensor(const std::string& name, const std::string& type, const std::vector<int64_t>& shape,
                  std::span<const std::byte> data, std::shared_ptr<const void> owner);

  std::vector<std::string> keys() const;      // in the order of the file
  Value value(const std::string& key) const;  // FormatError when missing
  // The value if it is an array of numbers, as it is stored: a view that lives as long as the checkpoint. value() makes
  // 8 bytes of each number, whatever it takes in the file. FormatError when the key is missing.
  std::optional<NumberArray> numbers(const std::string& key) const;
  // The value as the GGUF file stores it: its type (u32), then the value. A copy made from it loses nothing. It lives
  // as long as the checkpoint. It is empty if the checkpoint was put together by hand. FormatError when the key is
  // missing.
  std::span<const std::byte> encoded_value(const std::string& key) const;
  std::vector<TensorInfo> tensors() const;  // in the order of the file
  uint64_t file_bytes() const;              // of all parts; 0 if the checkpoint was put together by hand
  // The paths of the file or of its parts, in their order. It is empty if no file was opened.
  std::vector<std::string> files() const;
  // Gives back the memory that reading the `num_bytes` from `data` has filled. The next use reads them from the disk
  // again. Nothing happens to bytes that do not lie in a mapped file of this checkpoint.
  void release(const std::byte* data, uint64_t num_bytes) const;

  const io::GgufFile& file() const { return *file_; }
  // The content stays as it is for as long as the result lives. BusyError, which begins with `call`, while set() or
  // add_tensor() is under way.
  std::shared_ptr<const void> keep_unchanged(const char* call) const;

 private:
  struct GESSO_HIDDEN Parts;
  std::shared_ptr<io::GgufFile> file_;
  std::shared_ptr<Parts> parts_;  // only if it was put together by hand
};

// Says what a file is whose first bytes these are, if it is no GGUF file, and what to do about it: "a Git LFS pointer,
// not the file itself: `git lfs pull` gets the file". 512 bytes are enough. Empty for what it does not know.
GESSO_API std::string file_kind(std::span<const std::byte> begin);

}  // namespace gesso
