#include <cstddef>

#include "api/c/c_session.h"
#include "api/c/c_status.h"
#include "api/c/sized_struct.h"

struct gesso_profile {
  std::vector<gesso::OpProfile> ops;
};

using gesso::c::check_pointer;
using gesso::c::guarded;

namespace {

constexpr size_t kFirstOpProfileSize = offsetof(gesso_op_profile, int8_operations) + sizeof(double);
static_assert(sizeof(gesso_op_profile) == kFirstOpProfileSize, "fill it up with a reserved field");

}  // namespace

gesso_status gesso_session_set_profiling(gesso_session* session, int on) {
  return guarded([&] {
    check_pointer(session, "session");
    session->session.set_profiling(gesso::c::to_bool("on", on));
  });
}

gesso_status gesso_session_take_profile(gesso_session* session, gesso_profile** out) {
  return guarded([&] {
    check_pointer(session, "session");
    check_pointer(out, "out");
    *out = new gesso_profile{session->session.take_profile()};
  });
}

size_t gesso_profile_size(const gesso_profile* profile) { return profile ? profile->ops.size() : 0; }

gesso_status gesso_profile_get(const gesso_profile* profile, size_t index, gesso_op_profile* op, size_t struct_size) {
  return guarded([&] {
    check_pointer(profile, "profile");
    gesso::c::check_index(index, profile->ops.size());
    const gesso::OpProfile& of = profile->ops[index];
    const gesso_op_profile shown = {.struct_size = sizeof shown,
                                    .op = of.op.c_str(),
                                    .weight = of.weight.c_str(),
                                    .types = of.types.c_str(),
                                    .plan = of.plan.c_str(),
                                    .calls = of.calls,
                                    .ms = of.ms,
                                    .stored_bytes = of.stored_bytes,
                                    .activation_bytes = of.activation_bytes,
                                    .float_operations = of.float_operations,
                                    .int8_operations = of.int8_operations};
    gesso::init_struct("gesso_op_profile", op, struct_size, shown, kFirstOpProfileSize);
  });
}

void gesso_profile_free(gesso_profile* profile) { delete profile; }
