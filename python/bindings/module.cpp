#include "bindings.h"

namespace nb = nanobind;

NB_MODULE(_native, module) {
  // A daemon thread that the end of Python stops keeps its objects. nanobind would print that as a leak.
  nb::set_leak_warnings(false);
  module.doc() = "gesso's native library.";
  gesso::bindings::bind_errors(module);
  gesso::bindings::bind_bench(module);
  gesso::bindings::bind_checkpoint(module);
  gesso::bindings::bind_device(module);
  gesso::bindings::bind_limits(module);
  gesso::bindings::bind_tokenizer(module);
  gesso::bindings::bind_options(module);
  gesso::bindings::bind_generation(module);
  gesso::bindings::bind_model(module);
  gesso::bindings::bind_engine(module);
  gesso::bindings::bind_quantize(module);
  gesso::bindings::bind_gguf_writer(module);
  gesso::bindings::bind_presets(module);
  gesso::bindings::bind_weight_scales(module);
  gesso::bindings::bind_imatrix(module);
}
