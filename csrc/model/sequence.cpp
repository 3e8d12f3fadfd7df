#include "model/sequence.h"

#include "model/encode.h"

namespace gesso::model {

void encode_pending(const PassContext& pass, std::span<Sequence* const> sequences) {
  std::vector<EncodeRequest> requests;
  for (Sequence* sequence : sequences) requests.push_back({&sequence->cache, sequence->pending()});
  encode(pass, requests);
}

}  // namespace gesso::model
