// Mapped bytes brought into memory before they are asked for.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstddef>
#include <span>
#include <thread>
#include <vector>

namespace gesso::io {

// Reads ranges of mapped memory on a thread of its own, in order, a few megabytes ahead of where it is: as fast as the
// disk gives them, with little in its queue that others would have to wait for. Does nothing where the ranges are
// small, and where they are more than the memory that is free, since reading the end would push out the beginning.
class ReadAhead {
 public:
  // The ranges stay mapped until the destructor has returned, which stops the reading and waits for what is under way.
  explicit ReadAhead(std::vector<std::span<const std::byte>> ranges);
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

 private:
  void read_all() const;
  void touch(std::span<const std::byte> bytes) const;

  std::vector<std::span<const std::byte>> pieces_;
  std::atomic<bool> is_stopped_ = false;
  pid_t process_ = 0;  // whose thread it is: after fork() the child has none
  std::thread thread_;
};

}  // namespace gesso::io
