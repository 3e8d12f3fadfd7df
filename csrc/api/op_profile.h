// Turns a profile whose keys are addresses of weights into one with their names.
#pragma once

#include <map>
#include <vector>

#include "core/profile.h"
#include "gesso/bench.h"
#include "model/weights.h"

namespace gesso {

// Adds up the entries of all weights that have the same role.
std::vector<OpProfile> name_profile(const std::map<Profile::Key, Profile::Entry>& entries,
                                    const model::Weights& weights);

}  // namespace gesso
