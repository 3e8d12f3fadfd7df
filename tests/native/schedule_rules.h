// The rules of csrc/engine/schedule.h, as a check of any plan.
#pragma once

#include <span>
#include <string>

#include "engine/schedule.h"

namespace gesso::tests {

// The first rule that the plan breaks, in words; empty if it keeps all of them.
std::string broken_rule(std::span<const engine::Entry> entries, const engine::Room& room, const engine::Plan& plan);

}  // namespace gesso::tests
