#include "grid.h"

#include <sys/mman.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <numeric>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "block.h"
#include "counters.h"
#include "emulator/accesses.h"
#include "heap.h"
#include "settings.h"
#include "signals.h"

namespace gesso::emulator {
namespace {

// A grid that takes less time than this runs on one thread: waking other threads would cost more.
constexpr std::chrono::microseconds kAlone(100);

// The order of the blocks: block (i * step + first) mod count comes as number i. step and count have no common divisor.
class BlockOrder {
 public:
  BlockOrder(const dim3& grid, uint64_t seed) : grid_(grid) {
    Random random(seed);
    first_ = random.next() % count();
    do {
      step_ = random.next() % count() + 1;
    } while (std::gcd(step_, count()) != 1);
  }
  uint64_t count() const { return uint64_t{grid_.x} * grid_.y * grid_.z; }
  uint3 block(uint64_t i) const {
    const uint64_t linear = (i * step_ + first_) % count();
    return {static_cast<unsigned>(linear % grid_.x), static_cast<unsigned>(linear / grid_.x % grid_.y),
            static_cast<unsigned>(linear / grid_.x / grid_.y)};
  }

 private:
  dim3 grid_;
  uint64_t first_;
  uint64_t step_;
};

// Runs the blocks of one grid, on any threads of the host, until one block fails.
class GridRun {
 public:
  GridRun(const BlockSettings& settings, const BlockOrder& order) : settings_(settings), order_(order) {}
  void run_block(uint64_t i) {
    if (has_failed_.load(std::memory_order_relaxed)) return;
    const std::string failure = Block::mine().run(settings_, order_.block(i));
    if (failure.empty()) return;
    const std::lock_guard lock(mutex_);
    if (!has_failed_.exchange(true)) failure_ = failure;
  }
  const std::string& failure() const { return failure_; }

 private:
  const BlockSettings& settings_;
  const BlockOrder& order_;
  std::atomic<bool> has_failed_ = false;
  std::mutex mutex_;
  std::string failure_;
};

int num_host_threads() {
#ifdef _OPENMP
  return settings().num_threads > 0 ? settings().num_threads : omp_get_num_procs();
#else
  return 1;
#endif
}

// Runs the first blocks on this thread, to see how long they take, and the others on all threads.
void run_blocks(GridRun& run, uint64_t count) {
  const auto start = std::chrono::steady_clock::now();
  const int num_threads = num_host_threads();
  uint64_t i = 0;
  while (i < count && (num_threads == 1 || std::chrono::steady_clock::now() - start < kAlone)) run.run_block(i++);
  const int64_t first = static_cast<int64_t>(i), end = static_cast<int64_t>(count);
#pragma omp parallel for schedule(dynamic) num_threads(num_threads) if (end - first > 1)
  for (int64_t block = first; block < end; ++block) {
    give_signal_stack();
    run.run_block(static_cast<uint64_t>(block));
  }
}

// The orders are kept from kernel to kernel. Only one kernel runs at a time.
const LaneOrders& lane_orders(uint64_t seed) {
  static uint64_t seed_of_orders = seed;
  static LaneOrders orders(seed);
  if (seed_of_orders != seed) orders = LaneOrders(seed);
  seed_of_orders = seed;
  return orders;
}

std::string check_pointer(const void* pointer, int device) {
  if (!pointer) return "";
  Heap::Range range;
  if (!Heap::instance().find_or_end(pointer, &range)) return "an argument points to " + describe_address(pointer);
  if (range.kind != MemoryKind::kDevice || range.device == device) return "";
  return "an argument points to memory of another device";
}

// A word in a struct may be any value. It counts as a pointer if it is the address of memory that exists. Below 4 GiB
// there is at most the heap of a program that is not position independent, such as Debian's Python, and there the words
// that are two numbers: 0.001 as a float and a zero behind it are the address 0x3a83126f.
std::string check_word(const void* word) {
  constexpr uintptr_t kPageBytes = 4096, kLowest = uintptr_t{1} << 32, kEnd = uintptr_t{1} << 47;
  const uintptr_t address = reinterpret_cast<uintptr_t>(word);
  if (address < kLowest || address >= kEnd || Heap::instance().is_near(word)) return "";
  unsigned char is_resident;
  if (mincore(reinterpret_cast<void*>(address / kPageBytes * kPageBytes), 1, &is_resident) != 0) return "";
  return "an argument has a pointer to " + describe_address(word) + ", memory of the host or freed";
}

// A kernel must not be given a pointer to memory that the device cannot read. An integrated device can read all memory.
std::string check_arguments(const KernelLaunch& launch, int device) {
  if (settings().is_integrated) return "";
  std::string failure;
  for (size_t i = 0; i < launch.pointers.size() && failure.empty(); ++i) {
    failure = check_pointer(launch.pointers[i], device);
  }
  for (size_t i = 0; i < launch.words.size() && failure.empty(); ++i) failure = check_word(launch.words[i]);
  return failure.empty() ? "" : "kernel " + launch.name + ": " + failure;
}

}  // namespace

std::string run_grid(const KernelLaunch& launch, int device) {
  ++counters().kernels_run;
  if (is_watching_accesses) count_launch(launch.name);
  std::string failure = check_arguments(launch, device);
  if (!failure.empty()) return failure;
  take_signals();
  give_signal_stack();
  const DeviceAccess access(device);
  const uint64_t seed = Random::mix(settings().seed);
  const BlockSettings block_settings = {&launch, settings().architecture, seed, &lane_orders(seed)};
  const BlockOrder order(launch.grid, seed);
  GridRun run(block_settings, order);
  run_blocks(run, order.count());
  if (!run.failure().empty()) return run.failure();
  const std::string damage = Heap::instance().find_damage();
  return damage.empty() ? "" : "kernel " + launch.name + ": " + damage;
}

}  // namespace gesso::emulator
