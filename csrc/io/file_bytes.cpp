#include "io/file_bytes.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <system_error>

#include "core/check.h"
#include "core/platform/input_file.h"
#include "core/platform/memory.h"
#include "io/path.h"

namespace gesso::io {
namespace {

constexpr size_t kPieceBytes = size_t{64} << 20;  // so many bytes are read before somebody may interrupt

// Whole pages, so that both kinds of access begin at the start of a page.
std::byte* allocate_pages(const std::string& path, size_t size) {
  const size_t free = platform::available_bytes();
  std::byte* pages = size <= free ? platform::allocate_pages(size) : nullptr;
  if (pages) return pages;
  throw OutOfMemory(concat("reading ", path, " into memory needs ", size, " bytes, ", free, " bytes are free"), size,
                    free);
}

void read_all(const std::string& path, const platform::InputFile& file, std::span<std::byte> out,
              const std::function<bool()>& interrupted, const std::function<void(int64_t, int64_t)>& progress) {
  for (size_t done = 0; done < out.size();) {
    if (interrupted && interrupted()) throw Interrupted();
    const size_t count = file.read(out.subspan(done, std::min(kPieceBytes, out.size() - done)), done);
    if (count == 0) {
      throw IoError(concat("cannot read ", path, ": it became shorter, expected ", out.size(), " bytes, got ", done),
                    EIO);
    }
    done += count;
    if (progress) progress(static_cast<int64_t>(done), std::ssize(out));
  }
}

}  // namespace

// The constructor asks the system for nothing ahead, because it does not know which parts of the file will be read. A
// caller that will read all of it uses ReadAhead.
FileBytes::FileBytes(const std::string& path, FileAccess access, const std::function<bool()>& interrupted,
                     const std::function<void(int64_t, int64_t)>& progress)
    : path_(path), access_(access) {
  check_path(path);
  const platform::InputFile file(path);
  const size_t size = file.num_bytes();
  if (size == 0) return;  // an empty file cannot be mapped
  if (access == FileAccess::kMap) {
    data_ = file.map();
    size_ = size;
    return;
  }
  std::byte* pages = allocate_pages(path, size);
  try {
    read_all(path, file, {pages, size}, interrupted, progress);
  } catch (...) {
    platform::free_pages(pages, size);
    throw;
  }
  data_ = pages;
  size_ = size;
}

FileBytes::~FileBytes() {
  if (data_ == nullptr) return;
  if (access_ == FileAccess::kMap) {
    platform::unmap(data_, size_);
  } else {
    platform::free_pages(data_, size_);
  }
}

void FileBytes::release(std::span<const std::byte> range) const {
  // Pages that were read into memory have no file behind them: giving them back would make them zero.
  if (access_ != FileAccess::kMap || range.empty()) return;
  const std::less_equal<const std::byte*> precedes;
  if (!precedes(data_, range.data()) || !precedes(range.data() + range.size(), data_ + size_)) return;
  const auto first = static_cast<size_t>(range.data() - data_);
  platform::release_mapped(data_, first, first + range.size());
}

FileHead read_head(const std::string& path, size_t max_bytes) {
  check_path(path);
  const platform::InputFile file(path);
  FileHead head = {.bytes = {}, .file_bytes = file.num_bytes()};
  head.bytes.resize(std::min(max_bytes, head.file_bytes));
  read_all(path, file, head.bytes, {}, {});
  return head;
}

void check_overwritable(const std::string& path, std::string_view magic, const char* kind) {
  check_path(path);
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return;
  const FileHead head = read_head(path, magic.size());
  const std::string_view begin(reinterpret_cast<const char*>(head.bytes.data()), head.bytes.size());
  if (begin.empty() || begin == magic) return;
  throw IoError(concat(path, ": exists and is no ", kind, "; it is not overwritten"), EEXIST);
}

}  // namespace gesso::io
