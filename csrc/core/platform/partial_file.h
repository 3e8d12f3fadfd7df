// PartialFile: writes a file under a temporary name, so that it gets its own name only when it is complete.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace gesso::platform {

// A new file beside `path`, for example "chat.session.x7Fq2a". If the object ends before finish(), the file is removed,
// and what was at `path` stays. If the process is killed, the temporary file stays.
class PartialFile {
 public:
  // Who may read the file: its owner alone, or whoever may read other new files of the process (umask).
  enum class Readers { kOwner, kUsual };

  // All functions throw IoError. The constructor does so when `path` leads to what is no regular file (a folder, a
  // pipe, a socket, a device), also through a link.
  explicit PartialFile(const std::string& path, Readers readers = Readers::kOwner);
  ~PartialFile();
  PartialFile(const PartialFile&) = delete;
  PartialFile& operator=(const PartialFile&) = delete;

  void write(std::span<const std::byte> bytes);
  // Gives the file its name, in place of a file that has it. The content is on the disk before. Where a link has the
  // name, the link is replaced, and the file that it leads to stays as it is.
  void finish();

 private:
  std::string path_, partial_;
  intptr_t file_ = -1;  // as the system names an open file
  bool is_finished_ = false;
};

}  // namespace gesso::platform
