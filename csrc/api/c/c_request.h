// A request as C holds it.
#pragma once

#include <optional>

#include "api/c/c_objects.h"
#include "gesso/engine.h"

struct gesso_request {
  gesso::Request request;
  std::optional<gesso::Tokenizer> tokenizer;  // for the text of its results
};

namespace gesso::c {

// Negative seconds have no end.
std::optional<double> to_wait(double seconds);

}  // namespace gesso::c
