// From a profile by addresses to one by names.
#pragma once

#include <map>
#include <vector>

#include "core/profile.h"
#include "gesso/bench.h"
#include "model/weights.h"

namespace gesso {

// Sums over the weights of a role.
std::vector<OpProfile> name_profile(const std::map<Profile::Key, Profile::Entry>& entries,
                                    const model::Weights& weights);

}  // namespace gesso
