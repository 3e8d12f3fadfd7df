#include "bindings.h"
#include "gesso/limits.h"

namespace gesso::bindings {

void bind_limits(nb::module_& module) {
  module.attr("MAX_TENSORS") = kMaxTensors;
  module.attr("MAX_STRINGS") = kMaxStrings;
  module.attr("MAX_JSON_BYTES") = kMaxJsonBytes;
  module.attr("MAX_TOKENIZER_BYTES") = kMaxTokenizerBytes;
  module.attr("MAX_HEADER_BYTES") = kMaxHeaderBytes;
  module.attr("MAX_VOCABULARY") = kMaxVocabulary;
  module.attr("MAX_MERGES") = kMaxMerges;
  module.attr("MAX_CONTEXT") = kMaxContext;
  module.attr("MAX_WIDTH") = kMaxWidth;
  module.attr("MAX_LAYERS") = kMaxLayers;
  module.attr("MAX_EXPERTS") = kMaxExperts;
  module.attr("MAX_HEADS") = kMaxHeads;
  module.attr("MAX_HEAD_DIM") = kMaxHeadDim;
  module.attr("MAX_CANVAS_LENGTH") = kMaxCanvasLength;
  module.attr("MAX_END_TOKENS") = kMaxEndTokens;
  module.attr("MAX_CHECKPOINT_STEPS") = kMaxCheckpointSteps;
  module.attr("MAX_BATCH") = kMaxBatch;
  module.attr("MAX_THREADS") = kMaxThreads;
}

}  // namespace gesso::bindings
