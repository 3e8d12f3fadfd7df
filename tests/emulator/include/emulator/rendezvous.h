// How an emulated instruction brings threads together. The headers in ../cuda/device are written over this one.
//
// The threads of a block take turns on one thread of the host. A thread runs until it comes to an instruction of its
// whole warp; then the next lane has its turn. When all 32 lanes have come to the same instruction it is computed, and
// the lanes go on, in another order. Lanes that come to different instructions, or that have ended while others come to
// one, are an error that names them. An instruction of several warps waits for all of these warps.
//
// A warp instruction that is fast lays a struct of arrays over operands<T>(), where each lane fills its column:
//
//   struct Add { float a[32], sum; };
//   void compute_add(void* operands) { ... }                              // runs once, when all lanes have come
//   constexpr Instruction kAdd = {"add", Scope::kWarp, compute_add};
//   inline float add(float a, const Place& place = Place::current()) {
//     Add& all = operands<Add>();
//     all.a[lane()] = a;
//     meet(kAdd, place);
//     return all.sum;                                                     // still there, until the lane meets again
//   }
//
// One that is not called often is easier with rendezvous(): each thread shows a struct of its own, and `compute` gets
// the addresses of all of them, in which it may write:
//
//   struct Multiply { uint64_t descriptor; float d[64]; };
//   void compute(void* all) {
//     auto** threads = static_cast<Multiply**>(all);                      // [32] for kWarp, [128] for kWarpGroup
//     ...
//   }
//   constexpr Instruction kMultiply = {"wgmma", Scope::kWarpGroup, compute};
//   Multiply mine = {...};  rendezvous(kMultiply, mine, place);  use(mine.d);
//
// An Instruction is known by its address: make it one `inline constexpr` object of namespace scope.
#pragma once

#include <cstddef>
#include <cstdint>
#include <source_location>
#include <string>

#include "export.h"

namespace gesso::emulator {

// Where in the kernel an instruction is. Wrappers take it as a last, defaulted parameter; lanes that are at different
// lines do not meet.
using Place = std::source_location;

enum class Scope {
  kWarp,
  kWarpGroup,  // the warps 4i .. 4i + 3
  kBarrier,    // as many warps as the operands say, see Barrier
};

struct Instruction {
  const char* name;
  Scope scope;
  void (*compute)(void* operands);  // nullptr: nothing to compute
};

// The operands of Scope::kBarrier, the same in all lanes.
struct Barrier {
  int id[32];           // 0 .. 15
  int num_threads[32];  // that it waits for
};

constexpr size_t kOperandBytes = 2048;

// Whose turn it is on this thread of the host.
struct Turn {
  int lane;
  void* operands;
};
extern GESSO_EMULATOR_THREAD_LOCAL Turn current_turn;

// The calling thread's place in its warp.
inline int lane() { return current_turn.lane; }

// The memory for the operands of the warp's next meeting.
template <typename T>
T& operands() {
  static_assert(sizeof(T) <= kOperandBytes);
  return *static_cast<T*>(current_turn.operands);
}

// Returns when all that the instruction brings together have come and it has been computed.
void meet(const Instruction& instruction, const Place& place);

template <typename T>
void rendezvous(const Instruction& instruction, T& mine, const Place& place) {
  static_cast<void**>(current_turn.operands)[lane()] = &mine;
  meet(instruction, place);
}

// The same without operands.
inline void rendezvous(const Instruction& instruction, const Place& place) { meet(instruction, place); }

// Ends the kernel with an error that also names kernel, block and thread.
[[noreturn]] void fail(const std::string& message);
[[noreturn]] void fail(const std::string& message, const Place& place);

// The block's dynamic shared memory.
struct SharedMemory {
  std::byte* data;
  size_t bytes;
};
SharedMemory block_shared_memory();
// The address that instructions use: the distance from a multiple of 1024 bytes at or below the shared memory.
uint32_t shared_offset(const void* shared);
// Fails unless the bytes are the block's shared memory and `shared` is a multiple of `alignment`.
void check_shared(const void* shared, size_t bytes, size_t alignment, const Place& place);

// Grows by one with each block that this thread of the host begins: state that an instruction keeps for a block is out
// of date when the number has changed.
uint64_t block_number();
// The compute capability of the device that the kernel runs on, as in 90.
int kernel_architecture();

}  // namespace gesso::emulator
