#include "cpu/kernels/levels_to_floats.h"

#include "cpu/simd/lanes.h"

namespace gesso::cpu {
namespace {

typedef uint8_t LaneBytes __attribute__((vector_size(kLanes)));
typedef uint16_t LaneShorts __attribute__((vector_size(kLanes * sizeof(uint16_t))));

GESSO_INLINE Lanes centered(const uint8_t* levels, int offset) {
  LaneBytes bytes;
  std::memcpy(&bytes, levels, sizeof(bytes));
  // Bytes become 16-bit and then 32-bit integers, because GCC 12 has one instruction for each of these steps, but
  // converts element by element when it has to do both at once.
  const LaneShorts shorts = __builtin_convertvector(bytes, LaneShorts);
  return __builtin_convertvector(__builtin_convertvector(shorts, LaneInts) - offset, Lanes);
}

}  // namespace

GESSO_TARGETS
void levels_to_floats(LevelKind kind, const uint8_t* levels, const float* scales, const float* mins, int64_t n,
                      float* out) {
  const int shift = kind.group == kLanes ? 0 : 1;
  for (int64_t i = 0; i < n / kLanes; ++i) {
    const Lanes value = scales[i >> shift] * centered(levels + i * kLanes, kind.offset);
    store(mins ? value - mins[i >> shift] : value, out + i * kLanes);
  }
}

}  // namespace gesso::cpu
