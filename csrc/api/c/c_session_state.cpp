#include "api/c/c_session.h"
#include "api/c/c_status.h"

struct gesso_bytes {
  std::vector<std::byte> bytes;
};

using gesso::c::check_pointer;
using gesso::c::guarded;
using gesso::c::to_interrupted;

gesso_status gesso_session_save(const gesso_session* session, const char* path) {
  return guarded([&] {
    check_pointer(session, "session");
    check_pointer(path, "path");
    session->session.save(path, session->interrupted());
  });
}

gesso_status gesso_session_check_save(const char* path) {
  return guarded([&] {
    check_pointer(path, "path");
    gesso::Session::check_save(path);
  });
}

gesso_status gesso_session_load(const gesso_model* model, const char* path, gesso_session** out) {
  return gesso_session_load_polled(model, path, nullptr, nullptr, out);
}

gesso_status gesso_session_load_polled(const gesso_model* model, const char* path, gesso_poll_callback poll,
                                       void* user_data, gesso_session** out) {
  return guarded([&] {
    check_pointer(model, "model");
    check_pointer(path, "path");
    check_pointer(out, "out");
    const gesso::Model kept = model->model;  // a callback may free the handle
    *out = new gesso_session(gesso::Session::load(kept, path, to_interrupted(poll, user_data)), kept);
  });
}

gesso_status gesso_session_save_bytes(const gesso_session* session, gesso_bytes** out) {
  return guarded([&] {
    check_pointer(session, "session");
    check_pointer(out, "out");
    *out = new gesso_bytes{session->session.save(session->interrupted())};
  });
}

const void* gesso_bytes_data(const gesso_bytes* bytes, size_t* num_bytes) {
  if (num_bytes) *num_bytes = bytes ? bytes->bytes.size() : 0;
  return bytes ? bytes->bytes.data() : nullptr;
}

void gesso_bytes_free(gesso_bytes* bytes) { delete bytes; }

gesso_status gesso_session_load_bytes(const gesso_model* model, const void* data, size_t num_bytes,
                                      gesso_session** out) {
  return gesso_session_load_bytes_polled(model, data, num_bytes, nullptr, nullptr, out);
}

gesso_status gesso_session_load_bytes_polled(const gesso_model* model, const void* data, size_t num_bytes,
                                             gesso_poll_callback poll, void* user_data, gesso_session** out) {
  return guarded([&] {
    check_pointer(model, "model");
    check_pointer(out, "out");
    if (num_bytes > 0) check_pointer(data, "data");
    const std::span bytes(static_cast<const std::byte*>(data), num_bytes);
    const gesso::Model kept = model->model;  // a callback may free the handle
    *out = new gesso_session(gesso::Session::load(kept, bytes, to_interrupted(poll, user_data)), kept);
  });
}
