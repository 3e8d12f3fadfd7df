#include "block.h"

#include <algorithm>

#include "emulator/accesses.h"

constinit thread_local uint3 threadIdx = {0, 0, 0};
constinit thread_local uint3 blockIdx = {0, 0, 0};
constinit thread_local dim3 blockDim = {0, 0, 0};
constinit thread_local dim3 gridDim = {0, 0, 0};

namespace gesso::emulator {
namespace {

// After a warp instruction another warp gets the turn with a probability of 1 / 8; otherwise the same warp goes on.
// Rare changes suit the caches of the host.
constexpr uint32_t kInstructionsPerTurn = 8;

bool is_store(AccessKind kind) { return kind != AccessKind::kLoad && kind != AccessKind::kProduct; }

bool is_same_place(const Place& a, const Place& b) {
  return a.line() == b.line() && (a.file_name() == b.file_name() || std::string(a.file_name()) == b.file_name());
}

}  // namespace

constinit thread_local Turn current_turn = {};
constinit thread_local Block* Block::of_thread_ = nullptr;

Block& Block::make_mine() {
  // The block is kept as long as the thread of the host lives.
  static thread_local std::unique_ptr<Block> owner;
  owner.reset(new Block());
  of_thread_ = owner.get();
  return *of_thread_;
}

Block::Block() : fibers_(fiber_main) {}

std::string Block::run(const BlockSettings& settings, uint3 index) {
  begin(settings, index);
  pick_warp();
  advance();
  Fiber* first = fibers_.take();
  warp_->fibers[lane_] = first;
  is_running_ = true;
  switch_context(main_, first->context());
  is_running_ = false;
  if (signal_ != 0) failure_ = where() + signal_text();
  if (failure_.empty() && is_over_) {
    const std::string damage = shared_.find_damage();
    if (!damage.empty()) failure_ = where() + damage;
  }
  if (!failure_.empty()) fibers_.reset();
  if (is_watching_accesses) accesses_.hand_over(settings.launch->name);
  return failure_;
}

void Block::begin(const BlockSettings& settings, uint3 index) {
  settings_ = settings;
  ++number_;
  failure_.clear();
  signal_ = 0;
  is_over_ = false;
  const KernelLaunch& launch = *settings.launch;
  gridDim = launch.grid;
  blockDim = dim3(static_cast<unsigned>(launch.block));
  blockIdx = index;
  threadIdx = {0, 0, 0};
  const uint64_t linear = index.x + uint64_t{launch.grid.x} * (index.y + uint64_t{launch.grid.y} * index.z);
  random_ = Random(settings.seed + linear);
  shared_.begin(launch.shared_bytes);
  accesses_.clear();
  if (is_watching_accesses) order_.begin_block();
  num_warps_ = launch.block / kLanes;
  num_finished_ = 0;
  num_ready_ = 0;
  std::fill(std::begin(groups_), std::end(groups_), Gathering());
  std::fill(std::begin(barriers_), std::end(barriers_), Gathering());
  while (static_cast<int>(warps_.size()) < num_warps_) warps_.push_back(std::make_unique<Warp>());
  for (int i = 0; i < num_warps_; ++i) {
    Warp& warp = *warps_[i];
    warp.index = i;
    warp.arrived = 0;
    warp.num_exited = 0;
    warp.waited = 0;
    std::fill(std::begin(warp.fibers), std::end(warp.fibers), nullptr);
    for (ThreadCopies& copies : warp.copies) copies.clear();
    make_ready(warp);
  }
}

void Block::fiber_main() {
  mine().run_threads();
  __builtin_unreachable();
}

// A fiber runs one thread of the block after another. It is left only when a thread must wait.
void Block::run_threads() {
  for (;;) {
    settings_.launch->body();
    Fiber* fiber = warp_->fibers[lane_];
    warp_->fibers[lane_] = nullptr;
    ++warp_->num_exited;
    advance();
    if (is_over_) {
      fibers_.give_back(fiber);
      switch_context(fiber->context(), main_);
    } else if (!warp_->fibers[lane_]) {
      warp_->fibers[lane_] = fiber;
    } else {
      fibers_.give_back(fiber);
      switch_context(fiber->context(), warp_->fibers[lane_]->context());
    }
  }
}

void Block::meet(const Instruction& instruction, const Place& place) {
  Warp& warp = *warp_;
  if (warp.arrived == 0) {
    warp.instruction = &instruction;
    warp.place = place;
  } else if (warp.instruction != &instruction || !is_same_place(warp.place, place)) {
    fail_different(instruction, place);
  }
  warp.arrived |= 1u << lane_;
  Fiber* fiber = warp.fibers[lane_];
  advance();
  Fiber*& next = warp_->fibers[lane_];
  if (next == fiber) return;
  if (!next) next = fibers_.take();
  switch_context(fiber->context(), next->context());
}

// Gives the turn to the next lane.
void Block::advance() {
  if (warp_->num_turns == kLanes) finish_phase();
  if (is_over_) return;
  lane_ = warp_->order[warp_->num_turns++];
  threadIdx.x = static_cast<unsigned>(warp_->index * kLanes + lane_);
  current_turn = {lane_, warp_->operands[warp_->area]};
}

// Called when all lanes have had their turn. Then all must have come to the same instruction, or all must have ended.
void Block::finish_phase() {
  Warp& warp = *warp_;
  if (is_watching_accesses) accesses_.finish_turns();
  if (warp.num_exited == kLanes) {
    ++num_finished_;
  } else if (warp.arrived != kAllLanes) {
    fail_missing(warp);
  } else {
    const bool is_alone = warp.instruction->scope == Scope::kWarp;
    complete(warp);
    if (is_alone && random_.below(kInstructionsPerTurn) != 0) {
      begin_phase(warp);
      return;
    }
    if (is_alone) make_ready(warp);
  }
  pick_warp();
}

void Block::pick_warp() {
  if (num_ready_ == 0) {
    if (num_finished_ != num_warps_) fail_deadlock();
    is_over_ = true;
    return;
  }
  const uint32_t i = random_.below(static_cast<uint32_t>(num_ready_));
  warp_ = warps_[ready_[i]].get();
  ready_[i] = ready_[--num_ready_];
  begin_phase(*warp_);
}

void Block::begin_phase(Warp& warp) {
  warp.order = settings_.orders->pick(random_);
  warp.num_turns = 0;
}

void Block::make_ready(Warp& warp) { ready_[num_ready_++] = static_cast<uint8_t>(warp.index); }

// Called when the whole warp has come to its instruction. If the instruction needs several warps, this warp then waits,
// or, if it is the last to come, all of them become ready.
void Block::complete(Warp& warp) {
  const Instruction& instruction = *warp.instruction;
  void* operands = warp.operands[warp.area];
  warp.arrived = 0;
  warp.area ^= 1;
  if (instruction.scope == Scope::kWarp) {
    if (instruction.compute) instruction.compute(operands);
    return;
  }
  if (instruction.scope == Scope::kWarpGroup) {
    complete_group(warp, instruction);
  } else {
    complete_barrier(warp, *static_cast<const Barrier*>(operands));
  }
}

// If the address is wrong, the access itself fails.
void Block::begin_access(AccessKind kind, const void* address, size_t bytes, const Place& place) {
  const auto offset = static_cast<size_t>(static_cast<const std::byte*>(address) - shared_.memory().data);
  if (offset >= shared_.memory().bytes) {
    if (!(warp_->waited >> lane_ & 1)) emulator::fail("global memory before wait_for_earlier_kernels()", place);
    if (kind == AccessKind::kLoad) accesses_.add_global(bytes);
    return;
  }
  const std::string problem = order_.begin(kind, static_cast<int>(threadIdx.x), offset, bytes);
  if (!problem.empty()) emulator::fail(problem, place);
  if (kind != AccessKind::kProduct && kind != AccessKind::kBulkCopy)
    accesses_.add_shared(lane_, offset, bytes, is_store(kind), place);
}

void Block::skip_access(AccessKind kind, size_t bytes, const Place& place) {
  accesses_.add_skipped(lane_, bytes, is_store(kind), place);
}

void Block::end_access(AccessKind kind, const void* address, size_t bytes) {
  const auto offset = static_cast<size_t>(static_cast<const std::byte*>(address) - shared_.memory().data);
  order_.end(kind, static_cast<int>(threadIdx.x), offset, bytes);
}

void Block::order_lanes() {
  if (is_watching_accesses) order_.meet(1u << warp_->index);
}

void Block::complete_group(Warp& warp, const Instruction& instruction) {
  const int first = warp.index / kWarpsOfGroup * kWarpsOfGroup;
  if (first + kWarpsOfGroup > num_warps_) fail(std::string(instruction.name) + ": no four warps in this warp group");
  Gathering& group = groups_[first / kWarpsOfGroup];
  group.warps |= 1u << warp.index;
  group.num_threads += kLanes;
  if (group.num_threads < kWarpsOfGroup * kLanes) return;
  void* threads[kWarpsOfGroup * kLanes];
  for (int i = 0; i < kWarpsOfGroup; ++i) {
    Warp& member = *warps_[first + i];
    if (member.instruction != &instruction) fail_different(*member.instruction, member.place);
    void** mine = reinterpret_cast<void**>(member.operands[member.area ^ 1]);
    std::copy(mine, mine + kLanes, threads + i * kLanes);
  }
  if (is_watching_accesses) order_.meet(group.warps);
  group = {};
  if (instruction.compute) instruction.compute(threads);
  for (int i = 0; i < kWarpsOfGroup; ++i) make_ready(*warps_[first + i]);
}

void Block::complete_barrier(Warp& warp, const Barrier& barrier) {
  const int id = barrier.id[0];
  const int num_threads = barrier.num_threads[0];
  for (int i = 0; i < kLanes; ++i) {
    if (barrier.id[i] != id || barrier.num_threads[i] != num_threads)
      fail("the lanes of a warp name different barriers");
  }
  if (num_threads <= 0 || num_threads % kLanes != 0) fail("a barrier waits for a multiple of 32 threads");
  Gathering& gathering = barriers_[id];
  gathering.warps |= 1u << warp.index;
  gathering.num_threads += kLanes;
  if (gathering.num_threads < num_threads) return;
  if (gathering.num_threads > num_threads) fail("more threads have come to a barrier than it waits for");
  const uint32_t warps = gathering.warps;
  if (is_watching_accesses) order_.meet(warps);
  gathering = {};
  for (int i = 0; i < num_warps_; ++i) {
    if (warps >> i & 1) make_ready(*warps_[i]);
  }
}

}  // namespace gesso::emulator
