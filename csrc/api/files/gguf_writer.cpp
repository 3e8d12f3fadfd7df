#include "gesso/gguf_writer.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <string_view>

#include "core/check.h"
#include "core/platform/partial_file.h"
#include "io/file_bytes.h"
#include "io/gguf_head.h"
#include "io/path.h"

namespace gesso {
namespace {

constexpr std::string_view kMagic = "GGUF";
// They describe the files of a split GGUF file and how tensors lie in it, so they do not suit a file that is written.
constexpr std::array kNotCopied = {"general.alignment", "split.no", "split.count", "split.tensors.count"};

void check_space(const std::string& path, uint64_t needed) {
  const std::filesystem::path parent = std::filesystem::path(path).parent_path();
  const std::filesystem::path folder = parent.empty() ? "." : parent;
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(folder, error);
  if (error || space.capacity == 0 || space.available >= needed)
    return;  // what cannot be asked is found out by writing
  throw IoError(
      concat(folder.string(), ": not enough space: ", needed, " bytes are needed, ", space.available, " are free"),
      ENOSPC);
}

}  // namespace

std::vector<GgufKey> copied_metadata(const Checkpoint& checkpoint) {
  std::vector<GgufKey> keys;
  for (const std::string& key : checkpoint.keys()) {
    if (std::find(kNotCopied.begin(), kNotCopied.end(), key) != kNotCopied.end()) continue;
    const std::span<const std::byte> value = checkpoint.encoded_value(key);
    check_format(!value.empty(), "metadata key ", key, ": expected a checkpoint that was read from a file");
    keys.push_back({key, {value.begin(), value.end()}});
  }
  return keys;
}

std::vector<std::byte> gguf_head(std::span<const GgufKey> keys, std::span<const GgufTensor> tensors) {
  return io::make_gguf_head(keys, tensors).bytes;
}

struct GgufWriter::Impl {
  Impl(const std::string& path, io::GgufHead made, std::span<const GgufTensor> described)
      : head(std::move(made)),
        tensors(described.begin(), described.end()),
        file(path, platform::PartialFile::Readers::kUsual) {}

  // Goes on to the next tensor behind those that are complete.
  void skip_complete() {
    while (turn < tensors.size() && done == head.tensor_bytes[turn]) {
      const std::vector<std::byte> padding(io::padding_behind(done, head.alignment));
      file.write(padding);
      ++turn;
      done = 0;
    }
  }

  io::GgufHead head;
  std::vector<GgufTensor> tensors;
  platform::PartialFile file;
  size_t turn = 0;         // the tensor that is being written
  uint64_t done = 0;       // its bytes so far
  bool is_broken = false;  // a part of some bytes may have been written
};

GgufWriter::GgufWriter(const std::string& path, std::span<const GgufKey> keys, std::span<const GgufTensor> tensors) {
  io::check_overwritable(path, kMagic, "GGUF file");
  io::GgufHead head = io::make_gguf_head(keys, tensors);
  uint64_t needed = head.bytes.size();
  for (const uint64_t bytes : head.tensor_bytes) needed += bytes + io::padding_behind(bytes, head.alignment);
  check_space(path, needed);
  impl_ = std::make_unique<Impl>(path, std::move(head), tensors);
  impl_->file.write(impl_->head.bytes);
}

GgufWriter::~GgufWriter() = default;
GgufWriter::GgufWriter(GgufWriter&&) noexcept = default;
GgufWriter& GgufWriter::operator=(GgufWriter&&) noexcept = default;

void GgufWriter::write(std::span<const std::byte> bytes) {
  if (impl_->is_broken) throw IoError("write: an earlier write of this file has failed", EIO);
  while (!bytes.empty()) {
    check(impl_->turn < impl_->tensors.size(), "write: expected no more bytes, all tensors are complete; got ",
          bytes.size());
    const uint64_t missing = impl_->head.tensor_bytes[impl_->turn] - impl_->done;
    const auto part = bytes.first(std::min<uint64_t>(bytes.size(), missing));
    impl_->is_broken = true;
    impl_->file.write(part);
    impl_->done += part.size();
    bytes = bytes.subspan(part.size());
    impl_->skip_complete();
    impl_->is_broken = false;
  }
}

void GgufWriter::finish() {
  if (impl_->is_broken) throw IoError("finish: an earlier write of this file has failed", EIO);
  if (impl_->turn < impl_->tensors.size()) {
    throw ArgumentError(concat("finish: tensor ", impl_->tensors[impl_->turn].name, ": expected ",
                               impl_->head.tensor_bytes[impl_->turn], " bytes, got ", impl_->done));
  }
  impl_->file.finish();
}

}  // namespace gesso
