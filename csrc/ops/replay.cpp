#include "ops/replay.h"

#include "ops/dispatch.h"
namespace gesso::ops {

void Replay::run([[maybe_unused]] const Context& context, [[maybe_unused]] const std::vector<int64_t>& key,
                 const std::function<void()>& body) {
  if constexpr (kHasCuda) {
    if (context.queue && !context.profile) return cuda::replay(context, recordings_, key, body);
  }
  body();
}

}  // namespace gesso::ops
