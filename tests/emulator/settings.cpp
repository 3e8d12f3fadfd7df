#include "settings.h"

#include <cstdio>
#include <stdexcept>
#include <string>

#include "emulator.h"
#include "heap.h"

namespace gesso::emulator {
namespace {

constexpr size_t kKilobyte = 1024;
constexpr int kL2Bytes = 32 << 20;

}  // namespace

Settings& settings() {
  static Settings the_settings;
  return the_settings;
}

// The sizes are those of NVIDIA's table of compute capabilities.
size_t multiprocessor_shared_bytes() {
  switch (settings().architecture) {
    case 80:
      return 164 * kKilobyte;
    case 90:
    case 100:
    case 103:
    case 110:
      return 228 * kKilobyte;
    default:
      return 100 * kKilobyte;
  }
}

// Of the shared memory of each block the system takes one kilobyte.
size_t max_shared_bytes() { return multiprocessor_shared_bytes() - kKilobyte; }

int max_threads_per_multiprocessor() {
  const int architecture = settings().architecture;
  return architecture == 80 || (architecture >= 90 && architecture < 110) ? 2048 : 1536;
}

void describe_device(cudaDeviceProp* properties) {
  const Settings& set = settings();
  *properties = {};
  std::snprintf(properties->name, sizeof(properties->name), "Emulated GPU %d.%d", set.architecture / 10,
                set.architecture % 10);
  properties->totalGlobalMem = static_cast<size_t>(set.total_bytes);
  properties->sharedMemPerBlock = 48 * kKilobyte;
  properties->regsPerBlock = 65536;
  properties->warpSize = 32;
  properties->maxThreadsPerBlock = 1024;
  properties->major = set.architecture / 10;
  properties->minor = set.architecture % 10;
  properties->multiProcessorCount = set.num_multiprocessors;
  properties->integrated = set.is_integrated;
  properties->canMapHostMemory = 1;
  properties->concurrentKernels = 1;
  properties->unifiedAddressing = 1;
  properties->l2CacheSize = kL2Bytes;
  properties->maxThreadsPerMultiProcessor = max_threads_per_multiprocessor();
  properties->sharedMemPerMultiprocessor = multiprocessor_shared_bytes();
  properties->sharedMemPerBlockOptin = max_shared_bytes();
  properties->pageableMemoryAccess = set.is_integrated;
  properties->pageableMemoryAccessUsesHostPageTables = set.is_integrated;
}

bool device_attribute(cudaDeviceAttr attribute, int* value) {
  cudaDeviceProp properties;
  describe_device(&properties);
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      *value = properties.maxThreadsPerBlock;
      return true;
    case cudaDevAttrWarpSize:
      *value = properties.warpSize;
      return true;
    case cudaDevAttrMultiProcessorCount:
      *value = properties.multiProcessorCount;
      return true;
    case cudaDevAttrIntegrated:
      *value = properties.integrated;
      return true;
    case cudaDevAttrCanMapHostMemory:
      *value = properties.canMapHostMemory;
      return true;
    case cudaDevAttrL2CacheSize:
      *value = properties.l2CacheSize;
      return true;
    case cudaDevAttrComputeCapabilityMajor:
      *value = properties.major;
      return true;
    case cudaDevAttrComputeCapabilityMinor:
      *value = properties.minor;
      return true;
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      *value = static_cast<int>(properties.sharedMemPerMultiprocessor);
      return true;
    case cudaDevAttrPageableMemoryAccess:
      *value = properties.pageableMemoryAccess;
      return true;
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      *value = static_cast<int>(properties.sharedMemPerBlockOptin);
      return true;
    case cudaDevAttrPageableMemoryAccessUsesHostPageTables:
      *value = properties.pageableMemoryAccessUsesHostPageTables;
      return true;
  }
  return false;
}

void reset_settings() {
  settings() = Settings();
  watch_accesses(false);
}

void set_seed(uint64_t seed) { settings().seed = seed; }
uint64_t seed() { return settings().seed; }

void set_architecture(int architecture) {
  switch (architecture) {
    case 75:
    case 80:
    case 86:
    case 89:
    case 90:
    case 100:
    case 103:
    case 110:
    case 120:
    case 121:
      settings().architecture = architecture;
      return;
    default:
      throw std::invalid_argument("no such compute capability: " + std::to_string(architecture));
  }
}

void set_num_devices(int count) { settings().num_devices = count; }
void set_driver_version(int version) { settings().driver_version = version; }
void set_startup_error(int error) { settings().startup_error = static_cast<cudaError_t>(error); }
void set_num_multiprocessors(int count) { settings().num_multiprocessors = count; }
void set_integrated(bool is_integrated) { settings().is_integrated = is_integrated; }
void set_total_bytes(int64_t bytes) { settings().total_bytes = bytes; }
int64_t allocated_bytes(int device) { return Heap::instance().allocated_bytes(device); }
int64_t peak_bytes(int device) { return Heap::instance().peak_bytes(device); }
void reset_peak_bytes(int device) { Heap::instance().reset_peak(device); }
int64_t pinned_bytes() { return Heap::instance().pinned_bytes(); }
std::string largest_allocation(int device) { return Heap::instance().largest_allocation(device); }
void set_dry_run(bool is_dry) { settings().is_dry = is_dry; }
void set_num_threads(int count) { settings().num_threads = count; }
void set_truncated_sums(bool is_on) { settings().truncates_sums = is_on; }

}  // namespace gesso::emulator
