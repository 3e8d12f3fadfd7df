#include "step.h"

#include <algorithm>
#include <string>

#include "core/random.h"
#include "engine/generate.h"
#include "model/sequence.h"
#include "ops/memory.h"

namespace gesso::bench {
namespace {

// The least time of a step in ms, from the data sheets' bandwidths and rates, with 16-bit and with int8 products. It
// holds for 26B-A4B with 4-bit weights, 256 rows and 1024 cached tokens. The weights are 15.3 GB; the file has 16.8 GB,
// because some rows fit no block of Q4_K. The experts, 13 GB, are bound by bytes. The rest, 1.8 TFLOP, is bound by
// operations.
struct DataSheetFloor {
  const char* part_of_name;
  double bf16_ms, int8_ms;
};
constexpr DataSheetFloor kDataSheetFloors[] = {
    {"H200", 4.7, 4.1},       {"H100", 5.9, 5.3},       {"RTX PRO 6000", 11.3, 10.1}, {"RTX 5090", 16.3, 11.9},
    {"RTX 4090", 24.6, 19.0}, {"RTX 3090", 40.1, 27.1}, {"GB10", 68.7, 61.7},
};

// 0 where no floor is known: for other models, types, batches and devices.
double data_sheet_floor_ms(const RandomModel& model, const Pass& pass) {
  const bool is_known_model = model.config.hidden_size == 2816 && model.config.num_hidden_layers == 30 &&
                              model.weights.layers[0].ffn_gate_up_exps.gate_up.values.dtype == DType::kQ4_K;
  if (!is_known_model || pass.caches.size() != 1 || pass.num_cached != 1024) return 0;
  for (const DataSheetFloor& floor : kDataSheetFloors) {
    if (model.device.description.find(floor.part_of_name) == std::string::npos) continue;
    return model.context.activations == ActivationType::kInt8 ? floor.int8_ms : floor.bf16_ms;
  }
  return 0;
}

Record pass_record(const char* kind, const Pass& pass) {
  return Record()
      .add("kind", kind)
      .add("rows", pass.num_rows())
      .add("canvases", static_cast<int64_t>(pass.caches.size()))
      .add("cached", pass.num_cached);
}

double floor_ms(const PassOp& op, double bytes, const Ceilings& ceilings) {
  return ceilings.floor_ms(bytes, op.work.float_operations, op.work.int8_operations);
}

// The mean entropy of a step. It is large, or NaN, if the device computes something wrong.
double mean_entropy(Pass& pass) {
  pass.step_memory.read_back(pass.model.context);
  double sum = 0;
  for (size_t i = 0; i < pass.caches.size(); ++i) {
    for (const float entropy : pass.step_memory.statistics(static_cast<int64_t>(i)).entropies) sum += entropy;
  }
  return sum / static_cast<double>(pass.num_rows());
}

}  // namespace

void measure_ops(Pass& pass, const std::vector<PassOp>& ops, const Ceilings& ceilings, const TimerOptions& options,
                 Report& report) {
  for (const PassOp& op : ops) {
    const auto calls = static_cast<double>(op.calls);
    const Spread spread = measure(pass.model.context, options, op.run).per(calls);
    const double bytes = op.work.stored_bytes + op.work.activation_bytes,
                 operations = op.work.float_operations + op.work.int8_operations;
    const double rate_ms = ceilings.floor_ms(0, op.work.float_operations, op.work.int8_operations);
    report.add(pass_record("op", pass)
                   .add("op", op.name)
                   .add("types", op.types)
                   .add("plan", op.plan)
                   .add("calls_per_step", op.calls)
                   .add_all(spread.record())
                   .add("bytes", bytes / calls)
                   .add("operations", operations / calls)
                   .add("share_of_bandwidth", bytes / ceilings.bytes_per_ms / calls / spread.median_ms)
                   .add("share_of_matrix_rate", rate_ms / calls / spread.median_ms)
                   .add("share_of_floor", floor_ms(op, bytes, ceilings) / calls / spread.median_ms));
  }
}

void measure_step(Pass& pass, const std::vector<PassOp>& ops, const Ceilings& ceilings, const TimerOptions& options,
                  Report& report) {
  RandomModel& model = pass.model;
  const Spread spread = measure_plain(model.context, options, [&] {
    const std::vector<model::DenoiseRequest> requests = pass.requests();
    model::step(pass.context(), requests, {}, pass.canvas_rows());
  });
  double stored_bytes = 0, operations = 0, least_ms = 0;
  for (const PassOp& op : ops) {
    stored_bytes += op.work.stored_bytes;
    operations += op.work.float_operations + op.work.int8_operations;
    least_ms += floor_ms(op, op.work.stored_bytes, ceilings);
  }
  Record record = pass_record("step", pass);
  record.add_all(spread.record())
      .add("stored_bytes", stored_bytes)
      .add("operations", operations)
      .add("mean_entropy", mean_entropy(pass))
      .add("floor_ms", least_ms)
      .add("share_of_floor", least_ms / spread.median_ms);
  if (const double data_sheet_ms = data_sheet_floor_ms(model, pass); data_sheet_ms > 0) {
    record.add("data_sheet_floor_ms", data_sheet_ms).add("share_of_data_sheet_floor", data_sheet_ms / spread.median_ms);
  }
  report.add(record);
}

void measure_generation(RandomModel& model, int64_t batch_size, int64_t num_prompt, int64_t num_canvases,
                        int64_t num_steps, Report& report) {
  const ModelConfig& config = model.config;
  model::PassScratch memory(model.context, config, model.weights.key_value_layouts,
                            model::pass_limits(config, batch_size, true));
  GenerationOptions options;
  options.max_new_tokens = num_canvases * config.canvas_length;
  options.max_denoising_steps = num_steps;
  options.confidence_threshold = 0.0f;  // random weights are never confident, so every canvas takes all steps
  options.end_token_ids.emplace();

  GenerationResult result;
  for (int run = 0; run < 2; ++run) {  // the first run grows memory and records steps
    std::vector<model::Sequence> sequences;
    for (int64_t i = 0; i < batch_size; ++i) {
      model::Sequence& sequence = sequences.emplace_back(config, model.weights);
      for (int64_t position = 0; position < num_prompt; ++position) {
        const DrawKey key{static_cast<uint64_t>(i), position, 0};
        sequence.ids.push_back(uniform_id(key, Draw::kInitialCanvas, config.vocab_size));
      }
    }
    result = engine::generate({model.context, config, model.weights, memory}, sequences, options);
  }
  const Timings& timings = result.timings;
  const double tokens = static_cast<double>(batch_size * num_canvases * config.canvas_length);
  const auto steps = static_cast<double>(num_canvases * num_steps);  // of the whole batch, however many passes each has
  report.add(Record()
                 .add("kind", "generation")
                 .add("batch", batch_size)
                 .add("prompt_tokens", num_prompt)
                 .add("canvases", num_canvases)
                 .add("steps_per_canvas", num_steps)
                 .add("ms_per_step", timings.denoise_ms / steps)
                 .add("encode_ms", timings.encode_ms)
                 .add("first_canvas_ms", timings.first_canvas_ms)
                 .add("tokens_per_s", 1000 * tokens / (timings.denoise_ms + timings.encode_ms))
                 .add("allocated_bytes", ops::allocated_bytes(model.device.index)));
}

}  // namespace gesso::bench
