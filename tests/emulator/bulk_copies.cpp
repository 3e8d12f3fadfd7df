#include "emulator/bulk_copies.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <vector>

#include "block.h"
#include "canary.h"
#include "emulator/accesses.h"
#include "emulator/wgmma.h"

namespace gesso::emulator {
namespace {

constexpr size_t kPieceBytes = 16;
constexpr int kMostTries = 100'000;  // of a wait, in which all other warps have had many turns

struct Copy {
  std::byte* shared;
  std::vector<std::byte> data;
};

struct Phases {
  int num_arrivals = 0;                // of a phase
  unsigned num_ended = 0;              // phases
  int num_missing = 0;                 // arrivals of the current phase
  int64_t num_bytes = 0;               // of the current phase that are expected and have not come
  std::vector<Copy> copies;            // of the current phase
  std::vector<Copy> arrived;           // of ended phases, not yet written
  WarpTimes current = {}, ended = {};  // what is behind those who have waited
};

struct BlockState {
  uint64_t number = 0;
  std::map<const uint64_t*, Phases> barriers;
};

Phases& phases(const uint64_t* barrier, const Place& place) {
  static thread_local BlockState state;
  if (state.number != block_number()) state = {block_number(), {}};
  check_shared(barrier, sizeof(uint64_t), sizeof(uint64_t), place);
  return state.barriers[barrier];
}

Phases& begun_phases(const uint64_t* barrier, const Place& place) {
  Phases& found = phases(barrier, place);
  if (found.num_arrivals == 0) fail("a barrier for copies was not begun", place);
  return found;
}

void end_phase_if_complete(Phases& all) {
  if (all.num_missing > 0 || all.num_bytes != 0) return;
  ++all.num_ended;
  all.num_missing = all.num_arrivals;
  for (Copy& copy : all.copies) all.arrived.push_back(std::move(copy));
  all.copies.clear();
  all.ended = all.current;
}

void write_arrived(Phases& all) {
  for (const Copy& copy : all.arrived) {
    std::memcpy(copy.shared, copy.data.data(), copy.data.size());
    for (size_t i = 0; i < copy.data.size(); i += kPieceBytes) {
      end_access(AccessKind::kBulkCopy, copy.shared + i, kPieceBytes);
    }
  }
  all.arrived.clear();
}

struct Wait {
  uint64_t* barrier;
  unsigned phase;
  bool has_ended;
  Place place;
};

void try_wait(void* operands) {
  auto** lanes = static_cast<Wait**>(operands);
  Phases& all = begun_phases(lanes[0]->barrier, lanes[0]->place);
  for (int lane = 0; lane < kLanes; ++lane) {
    if (lanes[lane]->barrier != lanes[0]->barrier || lanes[lane]->phase != lanes[0]->phase) {
      fail("the lanes of a warp wait for different phases", lanes[0]->place);
    }
  }
  if (lanes[0]->phase + 1 < all.num_ended) fail("waits for a phase before the last one", lanes[0]->place);
  const bool has_ended = lanes[0]->phase < all.num_ended;
  if (has_ended) {
    write_arrived(all);
    if (is_watching_accesses) Block::mine().order_behind(all.ended);
  }
  for (int lane = 0; lane < kLanes; ++lane) lanes[lane]->has_ended = has_ended;
}

constexpr Instruction kWait = {"wait_for_phase", Scope::kWarp, try_wait};

}  // namespace

void begin_barrier(uint64_t* barrier, int num_arrivals, const Place& place) {
  if (kernel_architecture() != 90) fail("begin_barrier: only sm_90 has it", place);
  Phases& all = phases(barrier, place) = {};
  all.num_arrivals = all.num_missing = num_arrivals;
}

void arrive(uint64_t* barrier, int num_arrivals, int num_bytes, const Place& place) {
  Phases& all = begun_phases(barrier, place);
  if (all.num_missing < num_arrivals) fail("more arrivals than the barrier's phase has", place);
  all.num_missing -= num_arrivals;
  all.num_bytes += num_bytes;
  if (is_watching_accesses) Block::mine().order_before(all.current);
  end_phase_if_complete(all);
}

void wait_for_phase(uint64_t* barrier, unsigned phase, const Place& place) {
  Wait mine = {barrier, phase, false, place};
  for (int tries = 0; !mine.has_ended; ++tries) {
    if (tries == kMostTries) fail("deadlock: waits for a phase that does not end", place);
    rendezvous(kWait, mine, place);
  }
  if (kernel_architecture() == 90) fence_async_proxy();
}

void start_bulk_copy(void* shared, const void* global, int num_bytes, uint64_t* barrier, const Place& place) {
  Phases& all = begun_phases(barrier, place);
  const auto count = static_cast<size_t>(num_bytes);
  check_shared(shared, count, kPieceBytes, place);
  if (count % kPieceBytes != 0 || reinterpret_cast<uintptr_t>(global) % kPieceBytes != 0) {
    fail("copy_to_pair: the bytes or the global address are no multiple of 16", place);
  }
  auto* target = static_cast<std::byte*>(shared);
  const auto* source = static_cast<const std::byte*>(global);
  for (size_t i = 0; i < count; i += kPieceBytes) {
    begin_access(AccessKind::kBulkCopy, target + i, kPieceBytes, place);
    begin_access(AccessKind::kLoad, source + i, kPieceBytes, place);
  }
  all.copies.push_back({target, std::vector<std::byte>(source, source + count)});
  std::memset(shared, kPoison, count);
  all.num_bytes -= num_bytes;
  if (is_watching_accesses) Block::mine().order_before(all.current);
  end_phase_if_complete(all);
}

}  // namespace gesso::emulator
