#include <cstddef>

#include "api/c/c_objects.h"
#include "api/c/c_status.h"
#include "api/c/sized_struct.h"
#include "gesso/device.h"

struct gesso_device_list {
  std::vector<gesso::DeviceInfo> devices;
};

using gesso::c::check_pointer;
using gesso::c::guarded;

namespace {

constexpr size_t kFirstDeviceSize = offsetof(gesso_device, shares_host_memory) + sizeof(int64_t);
static_assert(sizeof(gesso_device) == kFirstDeviceSize, "fill it up with a reserved field");

}  // namespace

gesso_status gesso_devices(gesso_device_list** out) {
  return guarded([&] {
    check_pointer(out, "out");
    *out = new gesso_device_list{gesso::devices()};
  });
}

size_t gesso_device_list_size(const gesso_device_list* list) { return list ? list->devices.size() : 0; }

gesso_status gesso_device_list_get(const gesso_device_list* list, size_t index, gesso_device* device,
                                   size_t struct_size) {
  return guarded([&] {
    check_pointer(list, "list");
    gesso::c::check_index(index, list->devices.size());
    const gesso::DeviceInfo& info = list->devices[index];
    const gesso_device shown = {.struct_size = sizeof shown,
                                .name = info.name.c_str(),
                                .description = info.description.c_str(),
                                .arch = info.arch,
                                .total_bytes = info.total_bytes,
                                .free_bytes = info.free_bytes,
                                .used_bytes = info.used_bytes,
                                .shares_host_memory = info.shares_host_memory};
    gesso::init_struct("gesso_device", device, struct_size, shown, kFirstDeviceSize);
  });
}

void gesso_device_list_free(gesso_device_list* list) { delete list; }

int gesso_has_cuda(void) { return gesso::has_cuda(); }

const char* gesso_gpu_problem(void) {
  thread_local std::string problem;
  return guarded([&] { problem = gesso::gpu_problem(); }) == GESSO_OK ? problem.c_str() : gesso_last_error();
}
