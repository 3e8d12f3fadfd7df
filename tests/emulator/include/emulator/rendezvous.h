// How an emulated instruction brings threads together. The headers in ../cuda/device are written with the functions
// below.
//
// The threads of a block take turns on one thread of the host. A thread runs until it comes to an instruction of its
// whole warp. Then the next lane has its turn. When all 32 lanes have come to the same instruction, the instruction is
// computed. Then the lanes go on, in another order. It is an error, whose message names the lanes, when lanes come to
// different instructions, or when some have ended while others come to one. An instruction of several warps waits for
// all of these warps.
//
// An instruction that must be fast puts a struct of arrays into operands<T>(). Each lane fills its own elements:
//
//   struct Add { float a[32], sum; };
//   void compute_add(void* operands) { ... }                              // runs once, when all lanes have come
//   constexpr Instruction kAdd = {"add", Scope::kWarp, compute_add};
//   inline float add(float a, const Place& place = Place::current()) {
//     Add& all = operands<Add>();
//     all.a[lane()] = a;
//     meet(kAdd, place);
//     return all.sum;                                                     // valid until this lane meets again
//   }
//
// An instruction that is called rarely is easier to write with rendezvous(). Each thread passes a struct of its own.
// `compute` gets the addresses of all these structs and may write to them:
//
//   struct Multiply { uint64_t descriptor; float d[64]; };
//   void compute(void* all) {
//     auto** threads = static_cast<Multiply**>(all);                      // [32] for kWarp, [128] for kWarpGroup
//     ...
//   }
//   constexpr Instruction kMultiply = {"wgmma", Scope::kWarpGroup, compute};
//   Multiply mine = {...};  rendezvous(kMultiply, mine, place);  use(mine.d);
//
// The address of an Instruction identifies it. So each must be one `inline constexpr` object of namespace scope.
#pragma once

#include <cstddef>
#include <cstdint>
#include <source_location>
#include <string>

#include "export.h"

namespace gesso::emulator {

// Where in the kernel an instruction is. The device functions take the place as their last parameter, with a default.
// Lanes at different lines do not meet.
using Place = std::source_location;

enum class Scope {
  kWarp,
  kWarpGroup,  // the warps 4i .. 4i + 3
  kBarrier,    // as many warps as the operands say, see Barrier
};

struct Instruction {
  const char* name;
  Scope scope;
  void (*compute)(void* operands);  // nullptr if there is nothing to compute
};

// The operands of Scope::kBarrier. They must be the same in all lanes.
struct Barrier {
  int id[32];           // 0 .. 15
  int num_threads[32];  // the number of threads that the barrier waits for
};

constexpr size_t kOperandBytes = 2048;

// The lane whose turn it is on this thread of the host.
struct Turn {
  int lane;
  void* operands;
};
extern GESSO_EMULATOR_THREAD_LOCAL Turn current_turn;

// The calling thread's place in its warp.
inline int lane() { return current_turn.lane; }

// The memory for the operands of the warp's next meeting. T is the instruction's struct of arrays.
template <typename T>
T& operands() {
  static_assert(sizeof(T) <= kOperandBytes);
  return *static_cast<T*>(current_turn.operands);
}

// Waits for the other threads of the instruction. Returns after all have come and the instruction has been computed.
void meet(const Instruction& instruction, const Place& place);

// The computation of an instruction of a warp that is a barrier: what its lanes did to shared memory before is over.
void order_lanes(void*);

template <typename T>
void rendezvous(const Instruction& instruction, T& mine, const Place& place) {
  static_cast<void**>(current_turn.operands)[lane()] = &mine;
  meet(instruction, place);
}

// The same for an instruction without operands.
inline void rendezvous(const Instruction& instruction, const Place& place) { meet(instruction, place); }

// Ends the kernel with an error. The emulator adds the kernel's name, the block and the thread to the message.
[[noreturn]] void fail(const std::string& message);
[[noreturn]] void fail(const std::string& message, const Place& place);

// The block's dynamic shared memory.
struct SharedMemory {
  std::byte* data;
  size_t bytes;
};
SharedMemory block_shared_memory();
// The address as instructions use it, in bytes from the last multiple of 1024 at or below the start of the shared
// memory.
uint32_t shared_offset(const void* shared);
// Fails unless all bytes are within the block's shared memory and `shared` is a multiple of `alignment`.
void check_shared(const void* shared, size_t bytes, size_t alignment, const Place& place);

// A number that grows by one with each block that this thread of the host begins. An instruction that keeps state for a
// block compares it: when the number has changed, the state is out of date.
uint64_t block_number();
// The compute capability of the device that the kernel runs on, as in 90.
int kernel_architecture();

}  // namespace gesso::emulator
