// The emulated csrc/cuda/device/launch.h.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

#include "cuda/cuda_error.h"
#include "emulator/kernel_launch.h"

namespace gesso::cuda {

struct Launch {
  dim3 grid;
  int block;
  int64_t shared_bytes;
  cudaStream_t stream;
};

constexpr int64_t kDefaultSharedBytes = 48 * 1024;

template <typename... Parameters, typename... Arguments>
void launch(const char* name, const Launch& launch, void (*kernel)(Parameters...), Arguments&&... arguments) {
  if (launch.grid.x == 0 || launch.grid.y == 0 || launch.grid.z == 0) return;
  if (launch.shared_bytes > kDefaultSharedBytes) {
    check_cuda(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                                    static_cast<int>(launch.shared_bytes)),
               name);
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
                                   {}};
  std::apply(
      [&](const Parameters&... value) {
        [[maybe_unused]] const auto collect = [&](const auto& argument) {
          if constexpr (std::is_pointer_v<std::decay_t<decltype(argument)>>) queued.pointers.push_back(argument);
        };
        (collect(value), ...);
      },
      values);
  check_cuda(emulator::queue_kernel(std::move(queued), launch.stream), name);
}

}  // namespace gesso::cuda
