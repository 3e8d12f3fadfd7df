// Ranges of NVTX, written down for tests.
#include <nvtx3/nvToolsExt.h>

#include <atomic>
#include <mutex>
#include <utility>

#include "emulator.h"

namespace gesso::emulator {
namespace {

std::atomic<bool> is_recording = false;
std::mutex mutex;
std::vector<std::string> recorded;
thread_local std::vector<std::string> open_ranges;

}  // namespace

void record_ranges(bool is_on) { is_recording = is_on; }

std::vector<std::string> take_ranges() {
  const std::lock_guard lock(mutex);
  return std::exchange(recorded, {});
}

int num_open_ranges() { return static_cast<int>(open_ranges.size()); }

}  // namespace gesso::emulator

int nvtxRangePushA(const char* name) {
  using namespace gesso::emulator;
  open_ranges.push_back(open_ranges.empty() ? name : open_ranges.back() + "/" + name);
  if (is_recording) {
    const std::lock_guard lock(mutex);
    recorded.push_back(open_ranges.back());
  }
  return static_cast<int>(open_ranges.size()) - 1;
}

int nvtxRangePop() {
  using gesso::emulator::open_ranges;
  if (open_ranges.empty()) return -1;
  open_ranges.pop_back();
  return static_cast<int>(open_ranges.size());
}
