// Brings the small arrays of one pass (ids, positions, addresses, draw keys) to the device in one copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "core/buffer.h"
#include "core/staged.h"
#include "ops/memory.h"

namespace gesso::model {

// For each pass: put() its arrays, upload() once, run the ops, and clear() when the device has read the arrays. Equal
// sizes in equal order give equal addresses, which recorded steps rely on. On the CPU nothing is uploaded.
class Staging {
 public:
  Staging(const Context& context, int64_t capacity_bytes)
      : host_(ops::allocate_host<std::byte>(context, capacity_bytes)) {
    if (context.queue) device_ = ops::allocate<std::byte>(context, capacity_bytes);
  }

  static int64_t num_bytes(int64_t array_bytes) { return (array_bytes + kAlignment - 1) / kAlignment * kAlignment; }

  template <typename T>
  Staged<T> put(std::span<const T> values) {
    const int64_t bytes = static_cast<int64_t>(values.size_bytes());
    check(used_ + num_bytes(bytes) <= host_.size(), "staging: ", bytes, " bytes do not fit");
    std::byte* place = host_.data() + used_;
    if (bytes > 0) std::memcpy(place, values.data(), values.size_bytes());  // no values may have no address
    const std::byte* read_at = device_.size() > 0 ? device_.data() + used_ : place;
    used_ += num_bytes(bytes);
    return {{reinterpret_cast<const T*>(place), values.size()}, reinterpret_cast<const T*>(read_at)};
  }
  template <typename T>
  Staged<T> put(const std::vector<T>& values) {
    return put(std::span<const T>(values));
  }
  void upload(const Context& context) {
    if (device_.size() > 0) ops::copy_to_device(context, host_.data(), used_, device_.data());
  }
  void clear() { used_ = 0; }

 private:
  static constexpr int64_t kAlignment = 16;

  Buffer<std::byte> host_, device_;
  int64_t used_ = 0;
};

}  // namespace gesso::model
