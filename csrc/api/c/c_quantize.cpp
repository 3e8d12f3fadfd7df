#include <cstddef>
#include <string>
#include <vector>

#include "api/c/c_objects.h"
#include "api/c/c_status.h"
#include "api/c/sized_struct.h"
#include "gesso/presets.h"
#include "gesso/quantize_file.h"

using gesso::c::check_pointer;
using gesso::c::guarded;
using gesso::c::to_bool;

namespace {

constexpr size_t kFirstSize = offsetof(gesso_quantize_options, user_data) + sizeof(gesso_quantize_options::user_data);
static_assert(sizeof(gesso_quantize_options) == kFirstSize, "gesso_quantize_options: fill it up with a reserved field");

gesso_quantize_options default_options() {
  gesso_quantize_options options = {};
  options.struct_size = sizeof options;
  return options;
}

}  // namespace

const char* gesso_preset_name(size_t index) {
  const char* name = nullptr;
  guarded([&] {
    static const auto& presets = *new std::vector<gesso::Preset>(gesso::presets());  // callers may keep a name
    if (index < presets.size()) name = presets[index].name.c_str();
  });
  return name;
}

gesso_status gesso_quantize_options_init(gesso_quantize_options* options, size_t struct_size) {
  return guarded(
      [&] { gesso::init_struct("gesso_quantize_options", options, struct_size, default_options(), kFirstSize); });
}

gesso_status gesso_quantize_file(const char* source, const char* target, const char* preset,
                                 const gesso_quantize_options* options) {
  return guarded([&] {
    check_pointer(source, "source");
    check_pointer(target, "target");
    check_pointer(preset, "preset");
    const gesso_quantize_options chosen =
        gesso::read_struct("gesso_quantize_options", options, default_options(), kFirstSize);
    gesso::QuantizeFileOptions how;
    if (chosen.imatrix) how.imatrix = chosen.imatrix;
    how.num_threads = chosen.num_threads;
    how.mmap = !to_bool("gesso_quantize_options.no_mmap", chosen.no_mmap);
    bool has_ended = false;
    if (chosen.on_progress) {
      how.progress = [&](uint64_t done, uint64_t total, const std::string& tensor) {
        has_ended = chosen.on_progress(chosen.user_data, tensor.c_str(), static_cast<int64_t>(done),
                                       static_cast<int64_t>(total)) == 0;
      };
      how.interrupted = [&] { return has_ended; };
    }
    gesso::quantize_file(source, target, preset, how);
  });
}
