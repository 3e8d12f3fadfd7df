// FetchAhead: brings bytes from memory into the cache before they are needed, while other data is computed with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace gesso::cpu {

// Fetches bytes into the L2 cache in step with some other work. When half of the work is done, half of the bytes have
// been fetched. The unit of the work is the caller's choice.
class FetchAhead {
 public:
  FetchAhead(std::span<const std::byte> bytes, int64_t all_work)
      : at_(bytes.data()),
        end_(at_ + bytes.size()),
        num_lines_((static_cast<int64_t>(bytes.size()) + kLineBytes - 1) / kLineBytes),
        all_work_(all_work) {}

  // The caller calls this after each piece of its work.
  __attribute__((always_inline)) void advance(int64_t work) {
    for (due_ += work * num_lines_; due_ > 0 && at_ < end_; due_ -= all_work_, at_ += kLineBytes) {
      __builtin_prefetch(at_, 0, 2);
    }
  }

 private:
  static constexpr int64_t kLineBytes = 64;

  const std::byte *at_, *end_;
  int64_t num_lines_, all_work_;
  int64_t due_ = 0;  // (work that is done) * num_lines_ - (lines that were fetched) * all_work_
};

}  // namespace gesso::cpu
