// A sequence of ops that is run many times. On a device it is recorded once and then played back as one piece of work.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "core/context.h"

namespace gesso::ops {

class Replay {
 public:
  // Calls `body`, which puts ops into the context's queue, or plays back what `body` put there before under the same
  // key. The key has everything that is fixed in a recording: sizes and addresses. What changes from run to run goes
  // through Staged arrays. The first run under a key is not recorded, because scratch memory may grow in it; the second
  // one is. `body` must neither allocate nor wait, nor call back a caller of gesso, who might. An exception discards
  // the recording. On the CPU `body` is called every time.
  void run(const Context& context, const std::vector<int64_t>& key, const std::function<void()>& body);

 private:
  std::shared_ptr<void> recordings_;  // the backend's
};

}  // namespace gesso::ops

namespace gesso::cuda {
void replay(const Context& context, std::shared_ptr<void>& recordings, const std::vector<int64_t>& key,
            const std::function<void()>& body);
}
