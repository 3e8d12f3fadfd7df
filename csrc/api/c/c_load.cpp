#include "api/c/c_load.h"

#include <cstddef>

#include "api/c/c_objects.h"
#include "api/c/c_status.h"
#include "api/c/sized_struct.h"

namespace {

using gesso::c::check_pointer;
using gesso::c::guarded;
using gesso::c::to_bool;

// The struct of the first version ends with this field. Later ones are longer, and never shorter.
constexpr size_t kFirstLoadOptionsSize =
    offsetof(gesso_load_options, exact_soft_embedding) + sizeof(gesso_load_options::exact_soft_embedding);
// Bytes behind the last field would hide a field that a later version has there.
static_assert(sizeof(gesso_load_options) ==
                  offsetof(gesso_load_options, user_data) + sizeof(gesso_load_options::user_data),
              "gesso_load_options: fill it up, too");

gesso_load_options default_load_options() {
  gesso_load_options options = {};
  options.struct_size = sizeof options;
  options.device = options.activations = "auto";
  return options;
}

// C has one callback for what C++ has three for. When it has ended the load, the next poll says so.
class Progress {
 public:
  Progress(gesso_progress_callback callback, void* user_data) : callback_(callback), user_data_(user_data) {}

  void report(gesso_load_stage stage, int64_t done, int64_t total) {
    if (!has_ended_) has_ended_ = callback_(user_data_, stage, done, total) == 0;
  }
  bool poll() {
    report(GESSO_PREPARING, 0, 0);
    return has_ended_;
  }

 private:
  gesso_progress_callback callback_;
  void* user_data_;
  bool has_ended_ = false;
};

void report_to(gesso::LoadOptions& load, gesso_progress_callback callback, void* user_data) {
  const auto progress = std::make_shared<Progress>(callback, user_data);
  const auto stage = [&](gesso_load_stage of) {
    return [progress, of](int64_t done, int64_t total) { progress->report(of, done, total); };
  };
  load.read_progress = stage(GESSO_READING);
  load.progress = stage(GESSO_COPYING);
  load.interrupted = [progress] { return progress->poll(); };
}

void poll(const gesso::LoadOptions& options) {
  if (options.interrupted && options.interrupted()) throw gesso::Interrupted();
}

gesso::Checkpoint open(const char* path, const gesso::LoadOptions& options) {
  gesso::Checkpoint checkpoint =
      gesso::Checkpoint::open(path, {options.mmap, options.interrupted, options.read_progress});
  poll(options);  // the callback may have ended the load with the last bytes
  return checkpoint;
}

}  // namespace

gesso::LoadOptions gesso::c::to_load_options(const gesso_load_options* options) {
  const gesso_load_options chosen =
      read_struct("gesso_load_options", options, default_load_options(), kFirstLoadOptionsSize);
  LoadOptions load;
  load.exact_soft_embedding = to_bool("gesso_load_options.exact_soft_embedding", chosen.exact_soft_embedding);
  load.mmap = !to_bool("gesso_load_options.no_mmap", chosen.no_mmap);
  load.copy_weights = to_bool("gesso_load_options.copy_weights", chosen.copy_weights);
  if (chosen.device) load.device = chosen.device;
  if (chosen.activations) load.activations = chosen.activations;
  load.num_threads = chosen.num_threads;
  if (chosen.on_progress) report_to(load, chosen.on_progress, chosen.user_data);
  return load;
}

gesso_model* gesso::c::make_model(const Checkpoint& checkpoint, const LoadOptions& options) {
  Model model(checkpoint, options);
  poll(options);
  const std::optional<Tokenizer> tokenizer = model.tokenizer();
  return new gesso_model{std::move(model), gesso_checkpoint(checkpoint),
                         std::string(tokenizer ? tokenizer->chat_template() : "")};
}

gesso_status gesso_load_options_init(gesso_load_options* options, size_t struct_size) {
  return guarded([&] {
    gesso::init_struct("gesso_load_options", options, struct_size, default_load_options(), kFirstLoadOptionsSize);
  });
}

gesso_status gesso_model_load(const char* path, const gesso_load_options* options, gesso_model** out) {
  return guarded([&] {
    check_pointer(path, "path");
    check_pointer(out, "out");
    const gesso::LoadOptions load = gesso::c::to_load_options(options);
    *out = gesso::c::make_model(open(path, load), load);
  });
}

gesso_status gesso_checkpoint_open(const char* path, const gesso_load_options* options, gesso_checkpoint** out) {
  return guarded([&] {
    check_pointer(path, "path");
    check_pointer(out, "out");
    *out = new gesso_checkpoint(open(path, gesso::c::to_load_options(options)));
  });
}

gesso_status gesso_checkpoint_load(const gesso_checkpoint* checkpoint, const gesso_load_options* options,
                                   gesso_model** out) {
  return guarded([&] {
    check_pointer(checkpoint, "checkpoint");
    check_pointer(out, "out");
    const gesso::Checkpoint kept = checkpoint->checkpoint;  // a callback may free the handle
    *out = gesso::c::make_model(kept, gesso::c::to_load_options(options));
  });
}
