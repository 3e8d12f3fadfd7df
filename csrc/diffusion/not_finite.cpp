#include "diffusion/not_finite.h"

#include <optional>

#include "core/check.h"
#include "core/finite.h"
#include "model/encode.h"
#include "model/self_conditioning.h"
#include "ops/lm_head.h"
#include "ops/memory.h"
#include "ops/soft_embed.h"

namespace gesso::diffusion {
namespace {

struct Place {
  std::string name;
  int64_t layer = -1;
};

bool all_finite(const Context& context, ConstMatrix rows) {
  const int64_t size = rows.rows * rows.columns;
  const Buffer<float> host = ops::allocate_host<float>(context, size);
  for (int64_t r = 0; r < rows.rows; ++r) {
    ops::copy_to_host(context, rows.row(r), rows.columns * static_cast<int64_t>(sizeof(float)),
                      host.data() + r * rows.columns);
  }
  ops::synchronize(context);
  return gesso::all_finite(host.data(), size);
}

// The first part of a pass that gives numbers that are not finite.
using Part = std::optional<int64_t>;

class Search {
 public:
  Search(const model::PassContext& pass, const BrokenStep& broken) : pass_(pass), broken_(broken) {}

  Place run() {
    const bool conditioned = broken_.request.has_self_conditioning;
    if (conditioned && !all_finite(pass_.context, broken_.soft_embedding)) return {"the soft embedding"};
    const Part part = denoise(*broken_.request.cache, conditioned);
    if (!part) return behind_the_layers();
    if (*part == model::kFinalNorm) return {"the final norm"};
    if (*part == model::kEmbedding) {
      const Part without = conditioned ? denoise(*broken_.request.cache, false) : part;
      return {without == part ? "the embedding" : "self-conditioning"};
    }
    model::KvCache nothing(pass_.config, pass_.weights.key_value_layouts);
    const ops::WaitAtEnd wait(pass_.context);
    return denoise(nothing, conditioned) == part ? Place{name_of(*part), *part} : in_the_text(*part);
  }

 private:
  static std::string name_of(int64_t part) {
    return part == model::kEmbedding ? "the embedding" : concat("layer ", part);
  }

  model::Observer find_first(Part& first) const {
    return [&](int64_t part, ConstMatrix rows) {
      if (!first && !all_finite(pass_.context, rows)) first = part;
    };
  }

  Part denoise(model::KvCache& cache, bool conditioned) {
    const model::DenoiseRequest request{&cache, broken_.request.canvas, conditioned};
    Part first;
    model::observe_denoising(pass_, request, broken_.soft_embedding, find_first(first));
    return first;
  }

  // The canvas is finite without the text before it. `reader` is the layer that reads the text's broken keys or values.
  Place in_the_text(int64_t reader) {
    model::KvCache again(pass_.config, pass_.weights.key_value_layouts);
    const ops::WaitAtEnd wait(pass_.context);
    const std::span ids(broken_.sequence.ids);
    const model::EncodeRequest request{&again, ids.first(broken_.request.cache->length())};
    Part first;
    model::encode(pass_, {&request, 1}, find_first(first));
    const bool is_earlier = first && *first < reader;
    const int64_t layer = is_earlier ? *first : reader;
    const char* detail = is_earlier ? "" : ", in its keys and values";
    return {concat(name_of(layer), detail, ", when the text before the canvas was encoded"), layer};
  }

  // The final rows are finite, and pass_.memory still has them.
  Place behind_the_layers() {
    const Context& context = pass_.context;
    const ConstMatrix final_row = pass_.memory.normed(pass_.config.canvas_length).row_range(broken_.row, 1);
    const int64_t vocab_size = pass_.config.vocab_size, hidden_size = pass_.config.hidden_size;
    const Buffer<float> logits = ops::allocate<float>(context, vocab_size);
    const Buffer<float> mean = ops::allocate<float>(context, hidden_size);
    const ops::WaitAtEnd wait(context);
    const Matrix row(logits.data(), 1, vocab_size), soft_embedding(mean.data(), 1, hidden_size);
    ops::lm_head(
        context,
        {.x = final_row, .head = pass_.weights.output, .cap = pass_.config.final_logit_softcapping, .logits = row});
    if (!all_finite(context, row)) return {"the head"};
    ops::soft_embed(context, {.logits = row,
                              .table = pass_.weights.token_embd,
                              .scale = model::embed_scale(pass_.config),
                              .out = soft_embedding});
    if (!all_finite(context, soft_embedding)) return {"the soft embedding"};
    return {};
  }

  const model::PassContext& pass_;
  const BrokenStep& broken_;
};

}  // namespace

NumericsError find_not_finite(const model::PassContext& pass, const BrokenStep& broken) {
  Context context = pass.context;  // what the search computes is neither measured nor collected
  context.importance = nullptr;
  context.profile = nullptr;
  const Place place = Search({context, pass.config, pass.weights, pass.memory}, broken).run();
  const std::string where =
      place.name.empty() ? "but they were finite when the step was run again" : "first in " + place.name;
  const std::string message = concat(
      "sequence ", broken.index, ", canvas ", broken.canvas, ", step ", broken.step, ": numbers are not finite, ",
      where, ". A weight is NaN or infinite (`gesso inspect --check MODEL` finds it), or the numbers grow too large");
  return {message, broken.index, broken.canvas, broken.step, place.layer, place.name};
}

}  // namespace gesso::diffusion
