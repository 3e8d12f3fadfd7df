// The messages of a block for mistakes of a kernel.
#include <signal.h>

#include "block.h"
#include "heap.h"

namespace gesso::emulator {
namespace {

std::string lane_list(uint32_t lanes) {
  std::string text;
  for (int lane = 0; lane < kLanes; ++lane) {
    if (lanes >> lane & 1) text += (text.empty() ? "" : ", ") + std::to_string(lane);
  }
  return text;
}

}  // namespace

std::string place_text(const Place& place) {
  const std::string path = place.file_name();
  return path.substr(path.find_last_of('/') + 1) + ":" + std::to_string(place.line());
}

std::string Block::where() const {
  const std::string x = std::to_string(blockIdx.x), y = std::to_string(blockIdx.y), z = std::to_string(blockIdx.z);
  return "kernel " + settings_.launch->name + ", block (" + x + ", " + y + ", " + z + "), thread " +
         std::to_string(threadIdx.x) + ": ";
}

void Block::fail(const std::string& message) {
  failure_ = where() + message;
  resume_context(main_);
}

void Block::fail_different(const Instruction& instruction, const Place& place) {
  fail(std::string("divergence: comes to ") + instruction.name + " (" + place_text(place) +
       ") while other lanes are at " + warp_->instruction->name + " (" + place_text(warp_->place) + ")");
}

void Block::fail_missing(const Warp& warp) {
  fail(std::string("divergence: lanes ") + lane_list(warp.arrived) + " of warp " + std::to_string(warp.index) +
       " wait at " + warp.instruction->name + " (" + place_text(warp.place) + "), lanes " + lane_list(~warp.arrived) +
       " have ended");
}

void Block::fail_deadlock() {
  std::string text = "deadlock:";
  for (int i = 0; i < num_warps_; ++i) {
    const Warp& warp = *warps_[i];
    text += " warp " + std::to_string(i);
    text += warp.num_exited == kLanes
                ? " has ended;"
                : std::string(" waits at ") + warp.instruction->name + " (" + place_text(warp.place) + ");";
  }
  fail(text);
}

void Block::stop_at_signal(int signal, const void* address) {
  signal_ = signal;
  signal_address_ = address;
  resume_context(main_);
}

std::string Block::signal_text() const {
  if (signal_ == SIGFPE) return "division of an integer by zero";
  if (shared_.is_guard(signal_address_)) {
    return "out of bounds: an address beside the block's " + std::to_string(shared_.memory().bytes) +
           " bytes of shared memory";
  }
  if (fibers_.is_overflow(signal_address_)) return "the thread's stack is too small for its variables";
  return "out of bounds: " + describe_address(signal_address_);
}

void meet(const Instruction& instruction, const Place& place) { Block::mine().meet(instruction, place); }
void order_lanes(void*) { Block::mine().order_lanes(); }
void fail(const std::string& message) { Block::mine().fail(message); }
void fail(const std::string& message, const Place& place) { fail(message + " (" + place_text(place) + ")"); }
SharedMemory block_shared_memory() { return Block::mine().shared_memory(); }
uint64_t block_number() { return Block::mine().number(); }
int kernel_architecture() { return Block::mine().architecture(); }

uint32_t shared_offset(const void* shared) {
  const uintptr_t base = reinterpret_cast<uintptr_t>(block_shared_memory().data) / 1024 * 1024;
  return static_cast<uint32_t>(reinterpret_cast<uintptr_t>(shared) - base);
}

void check_shared(const void* shared, size_t bytes, size_t alignment, const Place& place) {
  const SharedMemory memory = block_shared_memory();
  const uintptr_t begin = reinterpret_cast<uintptr_t>(memory.data);
  const uintptr_t address = reinterpret_cast<uintptr_t>(shared);
  if (address < begin || address + bytes > begin + memory.bytes) {
    fail("out of bounds: offset " + std::to_string(static_cast<intptr_t>(address - begin)) + " of the block's " +
             std::to_string(memory.bytes) + " bytes of shared memory",
         place);
  }
  if (address % alignment != 0) {
    fail("misaligned: offset " + std::to_string(address - begin) + " of the shared memory, expected a multiple of " +
             std::to_string(alignment),
         place);
  }
}

}  // namespace gesso::emulator
