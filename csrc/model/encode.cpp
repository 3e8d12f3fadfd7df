#include "model/encode.h"

#include <algorithm>
#include <vector>

#include "ops/memory.h"

namespace gesso::model {
namespace {

void encode_pass(const PassContext& context, std::span<const EncodeRequest> slices, const Observer& observer) {
  Pass pass(context, {}, slices);
  context.memory.staging().upload(context.context);
  pass.run({}, observer);
  // This waits before the staging memory is written again. It also makes a failure appear in the pass that it belongs
  // to.
  ops::synchronize(context.context);
}

}  // namespace

void encode(const PassContext& pass, std::span<const EncodeRequest> requests, const Observer& observer) {
  CacheRollback rollback;
  for (const EncodeRequest& request : requests) rollback.add(*request.cache);
  std::vector<EncodeRequest> slices;
  int64_t num_rows = 0;
  const auto flush = [&] {
    if (num_rows > 0) encode_pass(pass, slices, observer);
    slices.clear();
    num_rows = 0;
  };
  for (const EncodeRequest& request : requests) {
    request.cache->reserve(pass.context, request.cache->length() + std::ssize(request.ids));
    for (size_t done = 0; done < request.ids.size();) {
      if (num_rows == pass.memory.rows_per_kind()) flush();
      const int64_t count = std::min<int64_t>(request.ids.size() - done, pass.memory.rows_per_kind() - num_rows);
      slices.push_back({request.cache, request.ids.subspan(done, count)});
      num_rows += count;
      done += count;
    }
  }
  flush();
  rollback.release();
}

}  // namespace gesso::model
