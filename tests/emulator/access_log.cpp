#include "access_log.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "block.h"
#include "emulator/accesses.h"

namespace gesso::emulator {
namespace {

constexpr size_t kNumBanks = 32;
constexpr size_t kBankBytes = 4;

constexpr uintptr_t kSkipped = UINTPTR_MAX;  // the place of an offset that a lane does not access

struct Access {
  uintptr_t offsets[kLanes];
  bool is_active[kLanes];
};

// How many different words of one bank some lanes access, at most; 0 if none of them is active. Lanes that access the
// same word do so together.
int count_ways(const Access& access, int first_lane, int num_lanes, int bytes) {
  uintptr_t words[kNumBanks][kLanes];  // a lane accesses at most one word of a bank
  int num_words[kNumBanks] = {};
  for (int lane = first_lane; lane < first_lane + num_lanes; ++lane) {
    if (!access.is_active[lane]) continue;
    const uintptr_t first = access.offsets[lane], last = first + static_cast<uintptr_t>(bytes) - 1;
    for (uintptr_t word = first / kBankBytes; word <= last / kBankBytes; ++word) {
      uintptr_t* of_bank = words[word % kNumBanks];
      int& num_of_bank = num_words[word % kNumBanks];
      if (std::find(of_bank, of_bank + num_of_bank, word) == of_bank + num_of_bank) of_bank[num_of_bank++] = word;
    }
  }
  return *std::max_element(std::begin(num_words), std::end(num_words));
}

// The lanes whose accesses the banks serve at once, if there are no conflicts: all of a warp with 4 bytes each, half of
// them with 8, a quarter with 16.
int lanes_at_once(int bytes) { return bytes <= 4 ? 32 : bytes <= 8 ? 16 : 8; }

struct SiteKey {
  std::string place;
  bool is_store;
  int bytes;
  auto operator<=>(const SiteKey&) const = default;
};

struct Counts {
  int64_t num_launches = 0;
  int64_t global_bytes = 0;
  std::map<SiteKey, SharedAccesses> shared;
};

struct AllCounts {
  std::mutex mutex;
  std::map<std::string, Counts> of_kernels;
};

AllCounts& all_counts() {
  static AllCounts the_counts;
  return the_counts;
}

}  // namespace

bool is_watching_accesses = false;

AccessLog::Site& AccessLog::site(size_t bytes, bool is_store, const Place& place) {
  for (Site& site : sites_) {
    if (site.place.line() == place.line() && site.place.column() == place.column() && site.is_store == is_store &&
        site.bytes == static_cast<int>(bytes) && site.place.file_name() == place.file_name())
      return site;
  }
  Site& made = sites_.emplace_back();
  made.place = place;
  made.is_store = is_store;
  made.bytes = static_cast<int>(bytes);
  return made;
}

void AccessLog::add_shared(int lane, uintptr_t offset, size_t bytes, bool is_store, const Place& place) {
  site(bytes, is_store, place).offsets[lane].push_back(offset);
}

void AccessLog::add_skipped(int lane, size_t bytes, bool is_store, const Place& place) {
  site(bytes, is_store, place).offsets[lane].push_back(kSkipped);
}

void AccessLog::finish_turns() {
  for (Site& site : sites_) {
    size_t count = 0;
    for (const auto& offsets : site.offsets) count = std::max(count, offsets.size());
    for (size_t i = 0; i < count; ++i) {
      Access access = {};
      for (int lane = 0; lane < kLanes; ++lane) {
        access.is_active[lane] = i < site.offsets[lane].size() && site.offsets[lane][i] != kSkipped;
        if (access.is_active[lane]) access.offsets[lane] = site.offsets[lane][i];
      }
      ++site.num_accesses;
      for (int first = 0; first < kLanes; first += lanes_at_once(site.bytes)) {
        const int num_ways = count_ways(access, first, lanes_at_once(site.bytes), site.bytes);
        site.num_passes += num_ways;
        site.num_free_passes += num_ways > 0;
        site.num_ways = std::max(site.num_ways, num_ways);
      }
    }
    for (auto& offsets : site.offsets) offsets.clear();
  }
}

void AccessLog::hand_over(const std::string& kernel) {
  const std::lock_guard lock(all_counts().mutex);
  Counts& counts = all_counts().of_kernels[kernel];
  counts.global_bytes += global_bytes_;
  for (const Site& site : sites_) {
    const std::string place = place_text(site.place);
    SharedAccesses& sum = counts.shared[{place, site.is_store, site.bytes}];
    sum.place = place;
    sum.is_store = site.is_store;
    sum.bytes = site.bytes;
    sum.num_accesses += site.num_accesses;
    sum.num_passes += site.num_passes;
    sum.num_free_passes += site.num_free_passes;
    sum.num_ways = std::max(sum.num_ways, site.num_ways);
  }
  clear();
}

void AccessLog::clear() {
  sites_.clear();
  global_bytes_ = 0;
}

void count_launch(const std::string& kernel) {
  const std::lock_guard lock(all_counts().mutex);
  ++all_counts().of_kernels[kernel].num_launches;
}

void record_access(AccessKind kind, const void* address, size_t bytes, const Place& place) {
  Block::mine().begin_access(kind, address, bytes, place);
}

void record_skipped_access(AccessKind kind, size_t bytes, const Place& place) {
  Block::mine().skip_access(kind, bytes, place);
}

void record_end_of_access(AccessKind kind, const void* address, size_t bytes) {
  Block::mine().end_access(kind, address, bytes);
}

void wait_for_earlier_kernels() { Block::mine().wait_for_earlier_kernels(); }

void watch_accesses(bool is_on) { is_watching_accesses = is_on; }

std::vector<KernelCounts> take_counts() {
  const std::lock_guard lock(all_counts().mutex);
  std::vector<KernelCounts> result;
  for (const auto& [name, counts] : all_counts().of_kernels) {
    KernelCounts& kernel = result.emplace_back(KernelCounts{name, counts.num_launches, counts.global_bytes, {}});
    for (const auto& [key, accesses] : counts.shared) kernel.shared.push_back(accesses);
  }
  all_counts().of_kernels.clear();
  return result;
}

}  // namespace gesso::emulator
