#include "api/session_impl.h"

#include <memory>

#include "api/op_profile.h"
#include "core/finite.h"
#include "diffusion/not_finite.h"
#include "engine/generate.h"
#include "gesso/limits.h"
#include "model/self_conditioning.h"
#include "ops/soft_embed.h"

namespace gesso {

void Session::Impl::denoise(const Context& context, std::span<const model::DenoiseRequest> requests, Matrix logits) {
  const model::Weights& weights = shared->weights;
  const int64_t size = logits.rows * logits.columns, num_bytes = size * static_cast<int64_t>(sizeof(float));
  const bool on_host = !context.queue;
  const Buffer<float> logit_memory = on_host ? Buffer<float>() : ops::allocate<float>(context, size);
  const Buffer<float> soft_memory = ops::allocate<float>(context, logits.rows * config().hidden_size);
  const ops::WaitAtEnd wait(context);
  const Matrix on_device(on_host ? logits.data : logit_memory.data(), logits.rows, logits.columns);
  const Matrix soft_embedding(soft_memory.data(), logits.rows, config().hidden_size);
  if (requests[0].has_self_conditioning) {
    if (!on_host) ops::copy_to_device(context, logits.data, num_bytes, logit_memory.data());
    ops::soft_embed(context, {.logits = on_device,
                              .table = weights.token_embd,
                              .scale = model::embed_scale(config()),
                              .out = soft_embedding,
                              .left_out_share = model::left_out_share(pass(context))});
  }
  model::denoise_logits(pass(context), requests, soft_embedding, on_device);
  if (!on_host) {
    ops::copy_to_host(context, logit_memory.data(), num_bytes, logits.data);
    ops::synchronize(context);
  }
  check_finite(context, requests, soft_embedding, logits);
}

void Session::Impl::check_finite(const Context& context, std::span<const model::DenoiseRequest> requests,
                                 ConstMatrix soft_embedding, ConstMatrix logits) {
  const int64_t length = config().canvas_length;
  for (int64_t row = 0; row < logits.rows; ++row) {
    context.poll_if_due();
    if (all_finite(logits.row(row), logits.columns)) continue;
    const int64_t index = row / length;
    throw diffusion::find_not_finite(pass(context), {.sequence = sequences[index],
                                                     .request = requests[index],
                                                     .soft_embedding = soft_embedding.row_range(index * length, length),
                                                     .row = row % length,
                                                     .index = index});
  }
}

Session::Session(const Model& model, int64_t batch_size) {
  check(batch_size >= 1 && batch_size <= kMaxBatch, "batch_size: expected 1 to ", kMaxBatch, ", got ", batch_size);
  const Model::Impl& shared = *model.impl_;
  ops::QueuePointer queue = shared.make_queue();
  const model::PassLimits limits = model::pass_limits(shared.config, batch_size, queue != nullptr);
  model::PassScratch memory(shared.context({}, queue), shared.config, shared.weights.key_value_layouts, limits);
  impl_ = std::shared_ptr<Impl>(new Impl{model, model.impl_, queue, std::move(memory), {}, nullptr, nullptr});
  for (int64_t i = 0; i < batch_size; ++i) impl_->sequences.emplace_back(shared.config, shared.weights);
}

Session Session::fork() const {
  const Impl::ReadingCall session(impl_, "fork");
  ops::synchronize(session->context({}));  // the fork's queue does not wait for what this one's still writes
  Session fork(session->model, session->batch_size());
  fork.impl_->sequences = session->sequences;
  return fork;
}

Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

int64_t Session::batch_size() const {
  check(impl_ != nullptr, "batch_size: the session was moved to another one");
  return impl_->batch_size();
}

std::vector<int32_t> Session::ids(int64_t sequence) const {
  const Impl::ReadingCall session(impl_, "ids");
  return session->at(sequence).ids;
}

std::vector<std::vector<int32_t>> Session::ids() const {
  const Impl::ReadingCall session(impl_, "ids");
  std::vector<std::vector<int32_t>> all;
  for (const model::Sequence& sequence : session->sequences) all.push_back(sequence.ids);
  return all;
}

int64_t Session::length(int64_t sequence) const {
  const Impl::ReadingCall session(impl_, "length");
  return std::ssize(session->at(sequence).ids);
}

int64_t Session::cache_bytes() const {
  const Impl::ReadingCall session(impl_, "cache_bytes");
  int64_t bytes = 0;
  for (const model::Sequence& sequence : session->sequences) bytes += sequence.cache.num_bytes();
  return bytes;
}

void Session::encode(const std::vector<std::vector<int32_t>>& ids, const std::function<bool()>& interrupted) {
  const Impl::ChangingCall session(impl_, "encode");
  session->all_or_nothing([&] {
    session->append(ids);
    session->encode_pending(session->context(interrupted));
  });
}

void Session::rewind(const std::vector<int64_t>& lengths) {
  const Impl::ChangingCall session(impl_, "rewind");
  const int64_t batch_size = session->batch_size();
  check(lengths.size() == 1 || static_cast<int64_t>(lengths.size()) == batch_size,
        "rewind: expected one length, or one per sequence (", batch_size, "), got ", lengths.size());
  const auto length_of = [&](int64_t i) { return lengths[lengths.size() == 1 ? 0 : i]; };
  for (int64_t i = 0; i < batch_size; ++i) {
    check(length_of(i) >= 0 && length_of(i) <= session->length(i), "rewind: sequence ", i, " has ", session->length(i),
          " tokens, cannot go to ", length_of(i));
  }
  for (int64_t i = 0; i < batch_size; ++i) session->sequences[i].rewind(length_of(i));
}

int64_t Session::encoded(int64_t sequence, int64_t length) const {
  const Impl::ReadingCall session(impl_, "encoded");
  const model::Sequence& content = session->at(sequence);
  check(length >= 0 && length <= std::ssize(content.ids), "encoded: sequence ", sequence, " has ", content.ids.size(),
        " tokens, got a length of ", length);
  if (length >= content.cache.length()) return content.cache.length();
  return content.cache.can_rewind(length) ? length : 0;
}

void Session::denoise(const std::vector<std::vector<int32_t>>& canvas, bool has_self_conditioning,
                      std::span<float> logits, const std::function<bool()>& interrupted) {
  const Impl::ChangingCall session(impl_, "denoise");
  const ModelConfig& config = session->config();
  const int64_t batch_size = session->batch_size();
  const int64_t per_canvas = config.canvas_length * config.vocab_size;
  session->check_batch("canvas", canvas.size());
  check(static_cast<int64_t>(logits.size()) == batch_size * per_canvas, "logits: expected ", batch_size * per_canvas,
        " values, got ", logits.size());
  std::vector<model::DenoiseRequest> requests;
  for (int64_t i = 0; i < batch_size; ++i) {
    const int64_t got = static_cast<int64_t>(canvas[i].size());
    check(got == config.canvas_length, "canvas: expected ", config.canvas_length, " token ids, got ", got);
    check_ids("canvas", canvas[i], config);
    check(session->length(i) > 0, "sequence ", i, ": nothing is encoded yet");
    check(session->length(i) + config.canvas_length <= config.max_position_embeddings, "sequence ", i, ": ",
          session->length(i), " tokens and a canvas of ", config.canvas_length,
          " are more than the model's context of ", config.max_position_embeddings);
    requests.push_back({&session->sequences[i].cache, canvas[i], has_self_conditioning});
  }
  const Context context = session->context(interrupted);
  const Matrix rows(logits.data(), batch_size * config.canvas_length, config.vocab_size);
  try {
    session->encode_pending(context);
    session->denoise(context, requests, rows);
  } catch (...) {
    ops::wait_for_leftovers(session->shared->context({}, session->queue));
    throw;
  }
}

GenerationResult Session::generate(const std::vector<std::vector<int32_t>>& ids, const GenerationOptions& options) {
  return generate(ids, options, nullptr);
}

GenerationResult Session::generate(const std::vector<std::vector<int32_t>>& ids, const GenerationOptions& options,
                                   const std::function<void(GenerationResult&)>& use) {
  const Impl::ChangingCall session(impl_, "generate");
  return session->all_or_nothing([&] {
    session->append(ids.empty() ? std::vector<std::vector<int32_t>>(session->batch_size()) : ids);
    const Context context = session->context(options.interrupted);
    GenerationResult result =
        engine::generate(session->pass(context), session->sequences, options, session->shared->tokenizer);
    if (use) use(result);
    return result;
  });
}

void Session::collect_importance() {
  const Impl::ChangingCall session(impl_, "collect_importance");
  check(session->queue == nullptr, "collect_importance: expected a model on the CPU, got ", session->model.device());
  if (!session->importance) session->importance = std::make_unique<Importance>();
}

void Session::set_profiling(bool on) {
  const Impl::ChangingCall session(impl_, "set_profiling");
  session->profile = on ? std::make_unique<Profile>() : nullptr;
}

std::vector<OpProfile> Session::take_profile() {
  const Impl::NestingCall session(impl_, "take_profile");
  if (!session->profile) return {};
  return name_profile(session->profile->take(), session->shared->weights);
}

std::vector<WeightImportance> Session::importance() const {
  const Impl::ReadingCall session(impl_, "importance");
  std::vector<WeightImportance> all;
  if (!session->importance) return all;
  const auto& entries = session->importance->entries();
  for (const io::NamedTensor& named : session->shared->tensors) {
    const auto found = entries.find(named.tensor.data);
    if (found == entries.end()) continue;
    const Importance::Entry& entry = found->second;
    all.push_back({named.name, entry.counts, {entry.sums.begin(), entry.sums.end()}});
  }
  return all;
}

}  // namespace gesso
