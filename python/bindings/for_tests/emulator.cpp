// The module gesso._emulator, with which tests control the emulated GPUs. It exists only in builds for the emulator.
// tests/emulator/emulator.h describes the functions.
#include "emulator.h"

#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "bindings.h"

NB_MODULE(_emulator, module) {
  namespace emulator = gesso::emulator;
  using nanobind::literals::operator""_a;
  module.doc() = "Control of the emulated GPUs, for tests.";
  module.def("reset_settings", emulator::reset_settings);
  module.def("set_seed", emulator::set_seed, "seed"_a);
  module.def("seed", emulator::seed);

  module.def("set_architecture", emulator::set_architecture, "architecture"_a);
  module.def("set_num_devices", emulator::set_num_devices, "count"_a);
  module.def("set_driver_version", emulator::set_driver_version, "version"_a);
  module.def("set_startup_error", emulator::set_startup_error, "error"_a);
  module.def("current_device", emulator::current_device);
  module.def("set_current_device", emulator::set_current_device, "device"_a);
  module.def("started_devices", emulator::started_devices);
  module.def("forget_started_devices", emulator::forget_started_devices);
  module.def("set_num_multiprocessors", emulator::set_num_multiprocessors, "count"_a);
  module.def("set_integrated", emulator::set_integrated, "is_integrated"_a);

  module.def("set_total_bytes", emulator::set_total_bytes, "bytes"_a);
  module.def("allocated_bytes", emulator::allocated_bytes, "device"_a = 0);
  module.def("peak_bytes", emulator::peak_bytes, "device"_a = 0);
  module.def("reset_peak_bytes", emulator::reset_peak_bytes, "device"_a = 0);
  module.def("pinned_bytes", emulator::pinned_bytes);
  module.def(
      "largest_allocation",
      [](int device) {
        const std::string bytes = emulator::largest_allocation(device);
        return nanobind::bytes(bytes.data(), bytes.size());
      },
      "device"_a = 0);

  module.def("set_dry_run", emulator::set_dry_run, "is_dry"_a);
  module.def("set_num_threads", emulator::set_num_threads, "count"_a);
  module.def("num_kernels_launched", emulator::num_kernels_launched);
  module.def("set_truncated_sums", emulator::set_truncated_sums, "is_on"_a);
  module.def("num_kernels_run", emulator::num_kernels_run);
  module.def("num_allocations", emulator::num_allocations);
  module.def("num_host_waits", emulator::num_host_waits);
  module.def("num_graph_launches", emulator::num_graph_launches);
  module.def("bytes_to_host", emulator::bytes_to_host);

  nanobind::class_<emulator::SharedAccesses>(module, "SharedAccesses")
      .def_ro("place", &emulator::SharedAccesses::place)
      .def_ro("is_store", &emulator::SharedAccesses::is_store)
      .def_ro("bytes", &emulator::SharedAccesses::bytes)
      .def_ro("num_accesses", &emulator::SharedAccesses::num_accesses)
      .def_ro("num_passes", &emulator::SharedAccesses::num_passes)
      .def_ro("num_free_passes", &emulator::SharedAccesses::num_free_passes)
      .def_ro("num_ways", &emulator::SharedAccesses::num_ways);
  nanobind::class_<emulator::KernelCounts>(module, "KernelCounts")
      .def_ro("name", &emulator::KernelCounts::name)
      .def_ro("num_launches", &emulator::KernelCounts::num_launches)
      .def_ro("global_bytes", &emulator::KernelCounts::global_bytes)
      .def_ro("shared", &emulator::KernelCounts::shared);
  module.def("watch_accesses", emulator::watch_accesses, "is_on"_a);
  module.def("take_counts", emulator::take_counts);

  module.def("record_ranges", emulator::record_ranges, "is_on"_a);
  module.def("take_ranges", emulator::take_ranges);
  module.def("num_open_ranges", emulator::num_open_ranges);
  module.def("take_failure", emulator::take_failure);
}
