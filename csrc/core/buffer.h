// Buffer: a piece of host or device memory for plain values, with one owner. SharedBuffer: the same with several
// owners. Host memory is aligned to 64 bytes and is not initialised.
#pragma once

#include <atomic>
#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

#include "core/check.h"

namespace gesso {

// The system gives host memory page by page, when a page is first written. So a part of a buffer that is never written
// costs address space but no memory.
template <typename T>
class Buffer {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  static constexpr int64_t kAlignment = 64;  // one cache line, one AVX-512 register

  Buffer() = default;
  // Allocates `size` elements of host memory, uninitialised. Throws OutOfMemory when the system refuses.
  explicit Buffer(int64_t size) : size_(size) {
    if (size == 0) return;
    uint64_t bytes = checked_multiply(static_cast<uint64_t>(size), sizeof(T), "buffer");
    bytes = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    data_ = static_cast<T*>(::operator new(bytes, kHostAlignment, std::nothrow));
    if (!data_) throw OutOfMemory(concat("out of memory: asked for ", bytes, " bytes"), bytes);
  }
  // Takes over memory that was allocated elsewhere, such as a device's (ops/memory.h); `release` will free it.
  Buffer(T* data, int64_t size, void (*release)(void*)) : data_(data), size_(size), release_(release) {}
  ~Buffer() { release_(data_); }
  Buffer(Buffer&& other) noexcept { *this = std::move(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(release_, other.release_);
    return *this;
  }

  T* data() const { return data_; }
  int64_t size() const { return size_; }
  T& operator[](int64_t index) const { return data_[index]; }

 private:
  static constexpr std::align_val_t kHostAlignment{kAlignment};

  T* data_ = nullptr;
  int64_t size_ = 0;
  void (*release_)(void*) = [](void* host) { ::operator delete(host, kHostAlignment); };
};

// A Buffer with several owners: a copy is another owner of the same memory, which is freed with the last one. Threads:
// each owner may be used by one thread, and other owners by other threads. The owners must not write memory that is
// shared.
template <typename T>
class SharedBuffer {
 public:
  SharedBuffer() = default;
  explicit SharedBuffer(Buffer<T> buffer) : block_(new Block{std::move(buffer)}) {}
  SharedBuffer(const SharedBuffer& other) : block_(other.block_) {
    if (block_) ++block_->num_owners;
  }
  SharedBuffer(SharedBuffer&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  SharedBuffer& operator=(SharedBuffer other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~SharedBuffer() {
    if (block_ && --block_->num_owners == 0) delete block_;
  }

  T* data() const { return block_ ? block_->buffer.data() : nullptr; }
  int64_t size() const { return block_ ? block_->buffer.size() : 0; }
  // If this is false, all that other owners did with the memory is done, and nobody else can reach it.
  bool is_shared() const { return block_ && block_->num_owners > 1; }

 private:
  struct Block {
    Buffer<T> buffer;
    std::atomic<int64_t> num_owners = 1;
  };
  Block* block_ = nullptr;
};

}  // namespace gesso
