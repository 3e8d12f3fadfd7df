// The emulated csrc/cuda/device/launch.h.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <cstring>
#include <tuple>
#include <type_traits>
#include <utility>

#include "cuda/device/early_start.h"
#include "cuda/host/cuda_error.h"
#include "cuda/host/shared_limit.h"
#include "emulator/kernel_launch.h"

namespace gesso::cuda {

struct Launch {
  dim3 grid;
  int block;
  int64_t shared_bytes;
  cudaStream_t stream;
};

namespace emulated {

// Collects the pointers of an argument, which the emulator checks before the kernel runs.
template <typename T>
void collect_pointers(const T& argument, emulator::KernelLaunch& launch) {
  if constexpr (std::is_pointer_v<T>) {
    launch.pointers.push_back(argument);
  } else if constexpr (std::is_class_v<T>) {
    T copy = argument;
    __builtin_clear_padding(&copy);  // padding may hold half of an old address
    for (size_t i = 0; i + sizeof(void*) <= sizeof(T); i += sizeof(void*)) {
      const void* word;
      std::memcpy(&word, reinterpret_cast<const std::byte*>(&copy) + i, sizeof(word));
      launch.words.push_back(word);
    }
  }
}

}  // namespace emulated

template <typename... Parameters, typename... Arguments>
void launch(const char* name, const Launch& launch, void (*kernel)(Parameters...), Arguments&&... arguments) {
  if (launch.grid.x == 0 || launch.grid.y == 0 || launch.grid.z == 0) return;
  if (launch.shared_bytes > kDefaultSharedBytes) {
    raise_shared_limit(reinterpret_cast<const void*>(kernel), name);
  }
  static_assert((std::is_trivially_copyable_v<Parameters> && ...), "arguments of kernels are copied as bytes");
  const std::tuple<Parameters...> values(std::forward<Arguments>(arguments)...);
  static_assert(sizeof(values) <= 4096, "too many bytes of arguments");
  emulator::KernelLaunch queued = {name,
                                   reinterpret_cast<const void*>(kernel),
                                   launch.grid,
                                   launch.block,
                                   static_cast<size_t>(launch.shared_bytes),
                                   [kernel, values] { std::apply(kernel, values); },
                                   {},
                                   {}};
  std::apply([&](const Parameters&... value) { (emulated::collect_pointers(value, queued), ...); }, values);
  check_cuda(emulator::queue_kernel(std::move(queued), launch.stream), name);
}

}  // namespace gesso::cuda
