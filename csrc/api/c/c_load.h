// The options of loading in C, as those of C++.
#pragma once

#include "gesso/gesso.h"
#include "gesso/model.h"

namespace gesso::c {

// The caller's options, of any version; the defaults for NULL. Its callbacks do not need `options` any more.
LoadOptions to_load_options(const gesso_load_options* options);

// The caller frees it.
gesso_model* make_model(const Checkpoint& checkpoint, const LoadOptions& options);

}  // namespace gesso::c
