#include "api/c/c_request.h"

#include <cmath>
#include <cstddef>
#include <memory>
#include <utility>

#include "api/c/c_status.h"

using gesso::c::check_pointer;
using gesso::c::guarded;
using gesso::c::to_wait;

namespace {

// What gesso_event_free frees. C gets a pointer to its first part.
struct OwnedEvent : gesso_event {
  explicit OwnedEvent(gesso::RequestEvent event) : gesso_event(), content(std::move(event)) {
    const bool is_step = content.kind == gesso::RequestEvent::Kind::kStep;
    struct_size = sizeof(gesso_event);
    kind = static_cast<int64_t>(content.kind);
    canvas = content.canvas;
    step = content.step;
    max_denoising_steps = content.max_denoising_steps;
    denoising_steps = content.denoising_steps;
    finished = content.finished;
    mean_entropy = content.mean_entropy;
    ids = content.ids.data();
    accepted = is_step ? content.accepted.data() : nullptr;
    entropies = is_step ? content.entropies.data() : nullptr;
    length = content.ids.size();
    text_length = content.text_length;
  }

  gesso::RequestEvent content;
};

using Kind = gesso::RequestEvent::Kind;
static_assert(GESSO_EVENT_STEP == static_cast<int>(Kind::kStep) && GESSO_EVENT_END == static_cast<int>(Kind::kEnd) &&
              GESSO_EVENT_CANVAS == static_cast<int>(Kind::kCanvas));

}  // namespace

std::optional<double> gesso::c::to_wait(double seconds) {
  check(!std::isnan(seconds), "seconds: expected a number, got NaN");
  return seconds < 0 ? std::nullopt : std::optional(seconds);
}

gesso_status gesso_request_cancel(const gesso_request* request) {
  return guarded([&] {
    check_pointer(request, "request");
    request->request.cancel();
  });
}

gesso_status gesso_request_wait(const gesso_request* request, double seconds, int* done) {
  return guarded([&] {
    check_pointer(request, "request");
    const gesso::Request held = request->request;  // a callback may free the handle
    const bool is_done = held.wait(to_wait(seconds));
    if (done) *done = is_done;
  });
}

gesso_status gesso_request_result(const gesso_request* request, gesso_result** out) {
  return guarded([&] {
    check_pointer(request, "request");
    check_pointer(out, "out");
    const gesso_request held = *request;  // a callback may free the handle
    *out = gesso::c::make_result(held.request.result(), held.tokenizer);
  });
}

void gesso_request_free(gesso_request* request) { delete request; }

gesso_status gesso_request_next(const gesso_request* request, double seconds, gesso_event** out) {
  return guarded([&] {
    check_pointer(request, "request");
    check_pointer(out, "out");
    const gesso::Request held = request->request;  // a callback may free the handle
    std::optional<gesso::RequestEvent> event = held.next(to_wait(seconds));
    *out = event ? std::make_unique<OwnedEvent>(std::move(*event)).release() : nullptr;
  });
}

void gesso_event_free(gesso_event* event) { delete static_cast<OwnedEvent*>(event); }
