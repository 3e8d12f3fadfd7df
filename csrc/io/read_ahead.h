// ReadAhead: reads mapped bytes from the disk before somebody needs them.
#pragma once

#include <atomic>
#include <cstddef>
#include <span>
#include <thread>
#include <vector>

namespace gesso::io {

// Reads ranges of mapped memory in order, on a thread of its own. It asks the system for pieces of 16 MB, one piece
// ahead of the one it waits for. So the disk is always busy, but others who read from it do not wait long. The class
// does nothing when the ranges are less than 64 MB in all. It also does nothing when they are more than the memory that
// is available: then reading the end would push the beginning out of memory again.
class ReadAhead {
 public:
  // The ranges must stay mapped until the destructor has returned. The destructor stops the thread and waits until it
  // has ended.
  explicit ReadAhead(std::vector<std::span<const std::byte>> ranges);
  ~ReadAhead();
  ReadAhead(const ReadAhead&) = delete;
  ReadAhead& operator=(const ReadAhead&) = delete;

 private:
  void read_all() const;
  void touch(std::span<const std::byte> bytes) const;

  std::vector<std::span<const std::byte>> pieces_;
  std::atomic<bool> is_stopped_ = false;
  int process_ = 0;  // the process that has the thread; after fork(), the child process does not have it
  std::thread thread_;
};

}  // namespace gesso::io
