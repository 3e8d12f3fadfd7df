#include "access_order.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "block.h"

namespace gesso::emulator {
namespace {

using Clock = uint32_t;
constexpr size_t kWordBytes = 4;
constexpr Clock kStillReading = std::numeric_limits<Clock>::max();

// The last accesses to four bytes. What an earlier block has left is out of date.
struct Word {
  uint64_t block = 0;
  int writer = -1;  // the thread that stored or copied last
  bool is_arriving = false;
  Clock written = 0;           // the time of the writer's warp
  Clock read[kMaxWarps] = {};  // for each warp the time of its last load, 0 if there was none
};

std::string thread_text(int thread) { return "thread " + std::to_string(thread); }

}  // namespace

struct AccessOrder::State {
  uint64_t block = 0;
  Clock times[kMaxWarps][kMaxWarps];  // [w][v]: up to which time of warp v warp w stands behind it; [w][w] is its clock
  std::vector<Word> words;

  Word& word(size_t i) {
    if (i >= words.size()) words.resize(i + 1);
    if (words[i].block != block) words[i] = {.block = block};
    return words[i];
  }

  bool is_behind_writing(const Word& word, int thread) const {
    const int warp = thread / kLanes, writer = word.writer / kLanes;
    if (word.writer < 0 || word.writer == thread) return true;
    return warp == writer ? word.written < times[warp][warp] : word.written <= times[warp][writer];
  }

  // Returns the warp whose reading may not have ended, or -1.
  int find_reader(const Word& word, int thread) const {
    const int warp = thread / kLanes;
    for (int reader = 0; reader < kMaxWarps; ++reader) {
      const bool is_over =
          reader == warp ? word.read[reader] != kStillReading : word.read[reader] <= times[warp][reader];
      if (!is_over) return reader;
    }
    return -1;
  }

  std::string find_problem(const Word& word, bool is_load, int thread) const {
    if (word.is_arriving) return "a copy of " + thread_text(word.writer) + " to it was not waited for";
    if (!is_behind_writing(word, thread))
      return thread_text(word.writer) + " has written it, and no barrier is between";
    if (is_load) return "";
    const int reader = find_reader(word, thread);
    if (reader < 0) return "";
    if (word.read[reader] == kStillReading) return "a product of warp " + std::to_string(reader) + " still reads it";
    return "warp " + std::to_string(reader) + " has read it, and no barrier is between";
  }
};

AccessOrder::AccessOrder() = default;
AccessOrder::~AccessOrder() = default;

void AccessOrder::begin_block() {
  if (!state_) state_ = std::make_unique<State>();
  ++state_->block;
  for (auto& times : state_->times) std::fill(std::begin(times), std::end(times), Clock{0});
  for (int warp = 0; warp < kMaxWarps; ++warp) state_->times[warp][warp] = 1;
}

void AccessOrder::meet(uint32_t warps) {
  auto& times = state_->times;
  Clock latest[kMaxWarps] = {};
  for (int warp = 0; warp < kMaxWarps; ++warp) {
    if ((warps >> warp & 1) == 0) continue;
    for (int other = 0; other < kMaxWarps; ++other) latest[other] = std::max(latest[other], times[warp][other]);
  }
  for (int warp = 0; warp < kMaxWarps; ++warp) {
    if ((warps >> warp & 1) == 0) continue;
    std::copy(std::begin(latest), std::end(latest), std::begin(times[warp]));
    ++times[warp][warp];
  }
}

void AccessOrder::tell(int warp, WarpTimes& times) {
  auto& mine = state_->times[warp];
  for (int other = 0; other < kMaxWarps; ++other)
    times[static_cast<size_t>(other)] = std::max(times[static_cast<size_t>(other)], mine[other]);
  ++mine[warp];
}

void AccessOrder::follow(int warp, const WarpTimes& times) {
  auto& mine = state_->times[warp];
  for (int other = 0; other < kMaxWarps; ++other)
    mine[other] = std::max(mine[other], times[static_cast<size_t>(other)]);
}

std::string AccessOrder::begin(AccessKind kind, int thread, size_t offset, size_t bytes) {
  const bool is_load = kind == AccessKind::kLoad || kind == AccessKind::kProduct;
  const int warp = thread / kLanes;
  for (size_t i = offset / kWordBytes; i <= (offset + bytes - 1) / kWordBytes; ++i) {
    Word& word = state_->word(i);
    const std::string problem = state_->find_problem(word, is_load, thread);
    if (!problem.empty()) {
      return std::string("race: ") + (is_load ? "reads" : "writes") + " byte " + std::to_string(i * kWordBytes) +
             " of the shared memory, but " + problem;
    }
    const Clock now = state_->times[warp][warp];
    if (is_load) {
      word.read[warp] = kind == AccessKind::kProduct ? kStillReading : now;
    } else {
      word.writer = thread;
      word.written = now;
      word.is_arriving = kind != AccessKind::kStore;
    }
  }
  return "";
}

void AccessOrder::end(AccessKind kind, int thread, size_t offset, size_t bytes) {
  const int warp = thread / kLanes;
  for (size_t i = offset / kWordBytes; i <= (offset + bytes - 1) / kWordBytes; ++i) {
    Word& word = state_->word(i);
    const Clock now = state_->times[warp][warp];
    if (kind == AccessKind::kProduct) {
      word.read[warp] = now;
    } else {
      if (kind == AccessKind::kCopy) word.written = now;
      word.is_arriving = false;
    }
  }
}

}  // namespace gesso::emulator
