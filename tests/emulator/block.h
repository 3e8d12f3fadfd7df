// Runs one block of a kernel. The threads of the block are fibers of one thread of the host. emulator/rendezvous.h says
// how they meet.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "access_log.h"
#include "access_order.h"
#include "emulator/kernel_launch.h"
#include "emulator/rendezvous.h"
#include "fiber.h"
#include "random.h"
#include "shared_region.h"
#include "thread_copies.h"

namespace gesso::emulator {

constexpr int kLanes = 32;
constexpr int kWarpsOfGroup = 4;
constexpr int kNumBarriers = 16;
constexpr uint32_t kAllLanes = 0xffffffffu;

struct Warp {
  int index = 0;
  const uint8_t* order = nullptr;  // the order in which the lanes have their turns until they meet
  int num_turns = 0;               // turns that have begun
  uint32_t arrived = 0;            // one bit for each lane that has come to `instruction`
  int num_exited = 0;              // threads that have ended
  uint32_t waited = 0;             // one bit for each lane that has waited for the kernels before
  const Instruction* instruction = nullptr;
  Place place;
  // Two areas in turn: some lanes still read the results of a meeting while others write their operands for the next.
  int area = 0;
  Fiber* fibers[kLanes] = {};  // nullptr: the thread has not begun, or has ended
  ThreadCopies copies[kLanes];
  alignas(64) std::byte operands[2][kOperandBytes];
};

// Where a place is, as in "words.h:21".
std::string place_text(const Place& place);

// The settings that a kernel runs with, the same for all its blocks.
struct BlockSettings {
  const KernelLaunch* launch;
  int architecture;
  uint64_t seed;
  const LaneOrders* orders;
};

class Block {
 public:
  // The block that the calling thread of the host runs. It is made at first use.
  static Block& mine() { return of_thread_ ? *of_thread_ : make_mine(); }

  // Runs the block to its end. Returns an empty string, or what went wrong.
  std::string run(const BlockSettings& settings, uint3 index);

  // These are for the emulated instructions.
  void meet(const Instruction& instruction, const Place& place);
  // The accesses of the current warp's lanes come before those that follow.
  void order_lanes();
  // The same for warps at a barrier for copies: those that come to order_behind with these times follow.
  void order_before(WarpTimes& times) { order_.tell(warp_->index, times); }
  void order_behind(const WarpTimes& times) { order_.follow(warp_->index, times); }
  [[noreturn]] void fail(const std::string& message);
  void begin_access(AccessKind kind, const void* address, size_t bytes, const Place& place);
  void skip_access(AccessKind kind, size_t bytes, const Place& place);
  void end_access(AccessKind kind, const void* address, size_t bytes);
  void wait_for_earlier_kernels() { warp_->waited |= 1u << lane_; }
  ThreadCopies& copies() { return warp_->copies[lane_]; }
  const SharedMemory& shared_memory() const { return shared_.memory(); }
  uint64_t number() const { return number_; }
  int architecture() const { return settings_.architecture; }

  // These are for the signal handler.
  static bool is_running_here() { return of_thread_ && of_thread_->is_running_; }
  [[noreturn]] void stop_at_signal(int signal, const void* address);

 private:
  Block();
  static Block& make_mine();
  static GESSO_EMULATOR_THREAD_LOCAL Block* of_thread_;

  void begin(const BlockSettings& settings, uint3 index);
  static void fiber_main();
  void run_threads();
  void advance();
  void finish_phase();
  void pick_warp();
  void begin_phase(Warp& warp);
  void make_ready(Warp& warp);
  void complete(Warp& warp);
  void complete_group(Warp& warp, const Instruction& instruction);
  void complete_barrier(Warp& warp, const Barrier& barrier);
  [[noreturn]] void fail_different(const Instruction& instruction, const Place& place);
  [[noreturn]] void fail_missing(const Warp& warp);
  [[noreturn]] void fail_deadlock();
  std::string where() const;
  std::string signal_text() const;

  struct Gathering {  // warps that wait for other warps
    uint32_t warps = 0;
    int num_threads = 0;
  };

  FiberPool fibers_;
  SharedRegion shared_;
  AccessLog accesses_;
  AccessOrder order_;
  std::vector<std::unique_ptr<Warp>> warps_;
  BlockSettings settings_ = {};
  Random random_{0};
  int num_warps_ = 0;
  uint8_t ready_[kMaxWarps];
  int num_ready_ = 0;
  int num_finished_ = 0;  // number of warps that have ended
  Gathering groups_[kMaxWarps / kWarpsOfGroup];
  Gathering barriers_[kNumBarriers];

  Warp* warp_ = nullptr;  // the warp whose turn it is
  int lane_ = 0;
  uint64_t number_ = 0;
  bool is_over_ = false;
  volatile bool is_running_ = false;
  Context main_ = {};  // where the host waits while the block runs
  std::string failure_;
  int signal_ = 0;
  const void* signal_address_ = nullptr;
};

}  // namespace gesso::emulator
