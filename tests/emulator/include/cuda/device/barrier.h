// The emulated csrc/cuda/device/barrier.h.
#pragma once

#include "cuda/device/kernel.h"

namespace gesso::cuda {
namespace emulated {

inline constexpr emulator::Instruction kSyncBlock = {"sync_block", emulator::Scope::kBarrier, nullptr};
inline constexpr emulator::Instruction kSyncWarp = {"sync_warp", emulator::Scope::kWarp, emulator::order_lanes};
inline constexpr emulator::Instruction kSyncWarps = {"sync_warps", emulator::Scope::kBarrier, nullptr};

inline void wait_at(const emulator::Instruction& instruction, int id, int num_threads, const emulator::Place& place) {
  emulator::Barrier& barrier = emulator::operands<emulator::Barrier>();
  barrier.id[emulator::lane()] = id;
  barrier.num_threads[emulator::lane()] = num_threads;
  emulator::meet(instruction, place);
}

}  // namespace emulated

inline void sync_block(const emulator::Place& place = emulator::Place::current()) {
  emulated::wait_at(emulated::kSyncBlock, 0, static_cast<int>(blockDim.x), place);
}

inline void sync_warp(const emulator::Place& place = emulator::Place::current()) {
  emulator::rendezvous(emulated::kSyncWarp, place);
}

inline void sync_warps(int barrier_id, int num_threads, const emulator::Place& place = emulator::Place::current()) {
  if (barrier_id < 1 || barrier_id > 15) emulator::fail("sync_warps: there is no such barrier", place);
  emulated::wait_at(emulated::kSyncWarps, barrier_id, num_threads, place);
}

}  // namespace gesso::cuda
