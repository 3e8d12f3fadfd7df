#include <doctest/doctest.h>
#include <sys/mman.h>

#include <cstdint>
#include <span>
#include <vector>

#include "api/model_hash.h"

namespace gesso {
namespace {

uint64_t hash_of(std::span<const std::byte> weight) {
  const Tensor tensor{weight.data(), DType::kI8, Shape({std::ssize(weight)})};
  return model_hash({}, {{.name = "weight", .tensor = tensor}});
}

void flip(std::byte& byte) { byte ^= std::byte(1); }

}  // namespace

TEST_CASE("any other byte makes a small model another one") {
  std::vector<std::byte> weight(10000, std::byte(3));
  const uint64_t before = hash_of(weight);
  int64_t num_unnoticed = 0;
  for (std::byte& byte : weight) {
    flip(byte);
    if (hash_of(weight) == before) ++num_unnoticed;
    flip(byte);
  }
  CHECK(num_unnoticed == 0);
  CHECK(hash_of(weight) == before);
  CHECK(hash_of(std::span(weight).first(9999)) != before);
}

TEST_CASE("of a model over 256 MiB a piece of every 4 MiB counts, and the end") {
  constexpr int64_t kMiB = int64_t{1} << 20, kBytes = 257 * kMiB;
  // Pages that nobody writes take no memory.
  void* pages = ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  REQUIRE(pages != MAP_FAILED);
  const std::span weight(static_cast<std::byte*>(pages), kBytes);
  const uint64_t before = hash_of(weight);
  const auto is_noticed = [&](int64_t position) {
    flip(weight[position]);
    const uint64_t after = hash_of(weight);
    flip(weight[position]);
    return after != before;
  };
  for (int64_t begin = 0; begin < kBytes; begin += 4 * kMiB) CHECK(is_noticed(begin + 4095));
  for (const int64_t position : {int64_t{0}, kBytes - 4096, kBytes - 1}) CHECK(is_noticed(position));
  CHECK_FALSE(is_noticed(5000));
  CHECK(is_noticed(256 * kMiB + 9));
  ::munmap(pages, kBytes);
}

}  // namespace gesso
