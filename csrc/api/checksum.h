// Checksum: 64 bits that tell whether bytes are the same. Accidents change it, and so does any change of one word. It
// is no protection against somebody who makes other bytes with the same checksum.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace gesso {

// Adding bytes in one piece or in several gives the same checksum. The bytes are taken as little-endian words of 64
// bits; zeros fill the last one up.
class Checksum {
 public:
  void add(std::span<const std::byte> bytes) {
    num_bytes_ += bytes.size();
    while (!bytes.empty() && num_pending_ > 0) {
      add_byte(bytes[0]);
      bytes = bytes.subspan(1);
    }
    for (; bytes.size() >= sizeof(uint64_t); bytes = bytes.subspan(sizeof(uint64_t))) {
      uint64_t word = 0;
      std::memcpy(&word, bytes.data(), sizeof(word));
      add_word(word);
    }
    for (const std::byte byte : bytes) add_byte(byte);
  }
  uint64_t value() const {
    Checksum last = *this;
    last.add_word(last.pending_);
    last.add_word(last.num_bytes_);
    return last.state_ ^ last.state_ >> 32;
  }

 private:
  void add_byte(std::byte byte) {
    pending_ |= static_cast<uint64_t>(byte) << 8 * num_pending_;
    if (++num_pending_ < 8) return;
    add_word(pending_);
    pending_ = 0;
    num_pending_ = 0;
  }
  // For a given state each word leads to another state, and for a given word each state does: the factor is odd.
  void add_word(uint64_t word) {
    static_assert(std::endian::native == std::endian::little);
    state_ = std::rotl((state_ ^ word) * 0x9e3779b97f4a7c15, 29) + 0x632be59bd9b4e019;
  }

  uint64_t state_ = 0, pending_ = 0, num_bytes_ = 0;
  int num_pending_ = 0;  // how many bytes of the next word are in `pending_`
};

}  // namespace gesso
