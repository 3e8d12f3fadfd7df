// Which device is the calling thread's, and the driver's functions for it.
//
// A thread has a stack of contexts. Where it is empty, the device is the one that cudaSetDevice has chosen, or device
// 0. Only primary contexts are emulated. A device gets its context when a thread first does something there.
#include <cuda.h>

#include <array>
#include <cstring>
#include <set>
#include <vector>

#include "emulator.h"
#include "runtime/runtime.h"
#include "settings.h"

struct CUctx_st {
  int device;
};

namespace gesso::emulator {
namespace {

constinit thread_local int chosen_device = 0;

std::vector<CUcontext>& contexts_of_thread() {
  static thread_local std::vector<CUcontext> contexts;
  return contexts;
}

CUcontext primary_context(int device) {
  static auto& contexts = *new std::map<int, CUctx_st>;
  return &contexts.try_emplace(device, CUctx_st{device}).first->second;
}

std::set<int>& devices_with_context() {
  static auto& devices = *new std::set<int>;
  return devices;
}

bool is_device(int device) { return device >= 0 && device < settings().num_devices; }

CUresult init(unsigned) { return settings().num_devices > 0 ? CUDA_SUCCESS : CUDA_ERROR_NO_DEVICE; }

CUresult get_device(CUdevice* device, int ordinal) {
  if (!is_device(ordinal)) return CUDA_ERROR_INVALID_DEVICE;
  *device = ordinal;
  return CUDA_SUCCESS;
}

CUresult retain_primary(CUcontext* context, CUdevice device) {
  if (!is_device(device)) return CUDA_ERROR_INVALID_DEVICE;
  const std::lock_guard lock(Runtime::instance().mutex());
  start_device(device);
  *context = primary_context(device);
  return CUDA_SUCCESS;
}

CUresult push_context(CUcontext context) {
  if (!context) return CUDA_ERROR_INVALID_CONTEXT;
  contexts_of_thread().push_back(context);
  return CUDA_SUCCESS;
}

CUresult pop_context(CUcontext* context) {
  if (contexts_of_thread().empty()) return CUDA_ERROR_INVALID_CONTEXT;
  if (context) *context = contexts_of_thread().back();
  contexts_of_thread().pop_back();
  return CUDA_SUCCESS;
}

struct EntryPoint {
  const char* name;
  void* function;
};

void* find_entry_point(const char* name) {
  const std::array<EntryPoint, 5> known = {{{"cuInit", reinterpret_cast<void*>(init)},
                                            {"cuDeviceGet", reinterpret_cast<void*>(get_device)},
                                            {"cuDevicePrimaryCtxRetain", reinterpret_cast<void*>(retain_primary)},
                                            {"cuCtxPushCurrent", reinterpret_cast<void*>(push_context)},
                                            {"cuCtxPopCurrent", reinterpret_cast<void*>(pop_context)}}};
  for (const EntryPoint& entry : known) {
    if (std::strcmp(entry.name, name) == 0) return entry.function;
  }
  return nullptr;
}

}  // namespace

int Runtime::current_device() {
  const std::vector<CUcontext>& contexts = contexts_of_thread();
  return contexts.empty() ? chosen_device : contexts.back()->device;
}

// As cudaSetDevice, which replaces the context on top of the stack.
void Runtime::set_current_device(int device) {
  std::vector<CUcontext>& contexts = contexts_of_thread();
  if (contexts.empty()) {
    chosen_device = device;
  } else {
    contexts.back() = primary_context(device);
  }
  start_device(device);
}

void start_device(int device) {
  const std::lock_guard lock(Runtime::instance().mutex());
  devices_with_context().insert(device);
}

int current_device() { return Runtime::current_device(); }
void set_current_device(int device) { cudaSetDevice(device); }

std::vector<int> started_devices() {
  const std::lock_guard lock(Runtime::instance().mutex());
  return {devices_with_context().begin(), devices_with_context().end()};
}

void forget_started_devices() {
  const std::lock_guard lock(Runtime::instance().mutex());
  devices_with_context().clear();
}

}  // namespace gesso::emulator

using namespace gesso::emulator;

cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** function, unsigned, unsigned long long,
                                             cudaDriverEntryPointQueryResult* result) {
  *function = find_entry_point(symbol);
  if (result) *result = *function ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
  return cudaSuccess;
}
