#include "model/sequence.h"

#include "model/encode.h"

namespace gesso::model {

void encode_pending(const Context& context, const ModelConfig& config, const Weights& weights,
                    std::span<Sequence* const> sequences, Activations& activations) {
  std::vector<EncodeRequest> requests;
  for (Sequence* sequence : sequences) requests.push_back({&sequence->cache, sequence->pending()});
  encode(context, config, weights, requests, activations);
}

}  // namespace gesso::model
