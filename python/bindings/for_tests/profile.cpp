// Gives tests what ops add to a profile: their time, without the copies that a Call makes, and their work.
#include <optional>

#include "core/profile.h"
#include "for_tests.h"

namespace gesso::bindings {
namespace {

std::optional<Profile>& profile() {
  static std::optional<Profile> profile;
  return profile;
}

void set_profiling(bool on) {
  profile().reset();
  if (on) profile().emplace();
}

// Returns the entries since the last call, one for each op and weight. An entry has the name of the op only.
nb::list take_profile() {
  nb::list entries;
  if (!profile()) return entries;
  for (const auto& [key, entry] : profile()->take()) {
    nb::dict fields;
    fields["op"] = nb::str(key.first.data(), key.first.size());
    fields["plans"] = entry.plans;
    fields["calls"] = entry.calls;
    fields["ms"] = entry.ms;
    fields["stored_bytes"] = entry.work.stored_bytes;
    fields["activation_bytes"] = entry.work.activation_bytes;
    fields["float_operations"] = entry.work.float_operations;
    fields["int8_operations"] = entry.work.int8_operations;
    entries.append(fields);
  }
  return entries;
}

}  // namespace

Profile* test_profile() { return profile() ? &*profile() : nullptr; }

void bind_profile(nb::module_& module) {
  module.def("set_profiling", &set_profiling, "on"_a,
             "Whether ops are profiled from now on, as use_device() has placed them; what was not taken is lost.");
  module.def("take_profile", &take_profile,
             "What calls have added since the last time, a dict for each op and weight.");
}

}  // namespace gesso::bindings
