#include <doctest/doctest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#include "io/read_ahead.h"

namespace gesso::io {
namespace {

// A mapped file that is one hole. A page of it is in memory only after something has read it.
class Hole {
 public:
  explicit Hole(size_t num_bytes) : num_bytes_(num_bytes) {
    char path[] = "/tmp/gesso_read_ahead_XXXXXX";
    const int descriptor = ::mkstemp(path);
    REQUIRE(descriptor >= 0);
    ::unlink(path);
    REQUIRE(::ftruncate(descriptor, static_cast<off_t>(num_bytes)) == 0);
    void* address = ::mmap(nullptr, num_bytes, PROT_READ, MAP_PRIVATE, descriptor, 0);
    REQUIRE(address != MAP_FAILED);
    ::close(descriptor);
    data_ = static_cast<std::byte*>(address);
  }
  ~Hole() { ::munmap(data_, num_bytes_); }

  std::span<const std::byte> bytes(size_t first, size_t count) const { return {data_ + first, count}; }
  size_t num_resident() const {
    std::vector<unsigned char> pages(num_bytes_ / ::sysconf(_SC_PAGESIZE));
    REQUIRE(::mincore(data_, num_bytes_, pages.data()) == 0);
    size_t count = 0;
    for (unsigned char page : pages) count += page & 1;
    return count * ::sysconf(_SC_PAGESIZE);
  }
  bool becomes_resident(size_t num_bytes) const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (num_resident() < num_bytes && std::chrono::steady_clock::now() < deadline) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return num_resident() >= num_bytes;
  }

 private:
  size_t num_bytes_;
  std::byte* data_ = nullptr;
};

constexpr size_t kMegabyte = size_t{1} << 20;

TEST_CASE("large ranges come into memory by themselves, at any address") {
  const Hole hole(100 * kMegabyte);
  REQUIRE(hole.num_resident() == 0);
  const ReadAhead reading({hole.bytes(50 * kMegabyte + 32, 50 * kMegabyte - 32), hole.bytes(4096, 40 * kMegabyte)});
  CHECK(hole.becomes_resident(90 * kMegabyte));
}

TEST_CASE("the parts of a split file are read as one") {
  // Each part alone would be left alone.
  const Hole first(40 * kMegabyte), second(40 * kMegabyte);
  const ReadAhead reading({second.bytes(0, 40 * kMegabyte), first.bytes(4096, 40 * kMegabyte - 4096)});
  CHECK(second.becomes_resident(40 * kMegabyte));
  CHECK(first.becomes_resident(39 * kMegabyte));
}

TEST_CASE("small ones are left alone") {
  const Hole hole(100 * kMegabyte);
  { const ReadAhead reading({hole.bytes(0, 50 * kMegabyte)}); }
  { const ReadAhead nothing({}); }
  CHECK(hole.num_resident() == 0);
}

TEST_CASE("a forked process can let go of it") {
  const Hole hole(100 * kMegabyte);
  auto reading = std::make_unique<ReadAhead>(std::vector{hole.bytes(0, 100 * kMegabyte)});
  const pid_t child = ::fork();
  if (child == 0) {
    reading.reset();
    ::_exit(0);
  }
  int status = -1;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
}

}  // namespace
}  // namespace gesso::io
