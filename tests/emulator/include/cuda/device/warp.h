// The emulated csrc/cuda/device/warp.h.
#pragma once

#include <bit>

#include "cuda/device/kernel.h"

namespace gesso::cuda {

constexpr uint32_t kFullWarp = 0xffffffffu;

namespace emulated {

using Words = uint32_t[kWarpSize];

inline constexpr emulator::Instruction kShuffle = {"shuffle", emulator::Scope::kWarp, nullptr};
inline constexpr emulator::Instruction kBallot = {"ballot", emulator::Scope::kWarp, nullptr};

// Waits until all lanes have given their value, and returns all values.
inline const Words& exchange(const emulator::Instruction& instruction, uint32_t word, const emulator::Place& place) {
  Words& words = emulator::operands<Words>();
  words[emulator::lane()] = word;
  emulator::meet(instruction, place);
  return words;
}

}  // namespace emulated

template <typename T>
inline T shuffle(T value, int lane, const emulator::Place& place = emulator::Place::current()) {
  return std::bit_cast<T>(emulated::exchange(emulated::kShuffle, std::bit_cast<uint32_t>(value), place)[lane & 31]);
}

// The call must be qualified: for an int, `shuffle` would also find std::shuffle, since Place is a type of namespace
// std.
template <typename T>
inline T shuffle_xor(T value, int mask, const emulator::Place& place = emulator::Place::current()) {
  return cuda::shuffle(value, lane_index() ^ mask, place);
}

inline uint32_t ballot(bool predicate, const emulator::Place& place = emulator::Place::current()) {
  const emulated::Words& words = emulated::exchange(emulated::kBallot, predicate ? 1 : 0, place);
  uint32_t bits = 0;
  for (int lane = 0; lane < kWarpSize; ++lane) bits |= words[lane] << lane;
  return bits;
}

}  // namespace gesso::cuda
