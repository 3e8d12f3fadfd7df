#include "pass_ops.h"

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "api/op_profile.h"
#include "core/check.h"
#include "core/profile.h"
#include "model/self_conditioning.h"
#include "ops/add.h"
#include "ops/attention.h"
#include "ops/embed.h"
#include "ops/expert_gated_linear.h"
#include "ops/expert_linear.h"
#include "ops/feed_forward_add.h"
#include "ops/gated_linear.h"
#include "ops/head_stats.h"
#include "ops/linear.h"
#include "ops/linears.h"
#include "ops/memory.h"
#include "ops/qk_norm_rope.h"
#include "ops/rms_norm.h"
#include "ops/router.h"
#include "scene.h"

namespace gesso::bench {
namespace {

// Runs an op once under a profile, to count its calls and their work.
void count(Pass& pass, PassOp& op) {
  Profile profile;
  pass.model.context.profile = &profile;
  op.run();
  pass.model.context.profile = nullptr;
  for (const OpProfile& found : name_profile(profile.take(), pass.model.weights)) {
    op.types = found.types;
    op.plan = found.plan;
    op.calls += found.calls;
    op.work += {found.stored_bytes, found.activation_bytes, found.float_operations, found.int8_operations};
  }
}

// An op whose run() calls body(scene, layer) for all layers.
template <typename Body>
PassOp layer_op(const Scene& scene, const std::string& name, const Body& body) {
  PassOp op;
  op.name = name;
  op.run = [scene, body] {
    for (int64_t layer = 0; layer < scene.num_layers(); ++layer) body(scene, layer);
  };
  return op;
}

// An op whose run() calls body(scene) `calls` times.
template <typename Body>
PassOp plain_op(const Scene& scene, const std::string& name, int64_t calls, const Body& body) {
  PassOp op;
  op.name = name;
  op.run = [scene, calls, body] {
    for (int64_t i = 0; i < calls; ++i) body(scene);
  };
  return op;
}

// linear with one weight of each layer that has it. `input` and `output` map (scene, layer) to a matrix.
template <typename Input, typename Output>
PassOp linear_op(const Scene& scene, const std::string& name, Weight LayerWeights::*weight, const Input& input,
                 const Output& output) {
  return layer_op(scene, "linear " + name, [=](const Scene& s, int64_t layer) {
    const Weight& w = s.layer(layer).*weight;
    if (w) ops::linear(s.context(), {.x = input(s, layer), .weight = w, .out = output(s, layer)});
  });
}

Matrix projected_of(const Scene& s, int64_t /*layer*/) { return s.projected(); }

void add_embedding(const Scene& scene, std::vector<PassOp>& list) {
  list.push_back(plain_op(scene, "embed", 1, [](const Scene& s) {
    ops::embed(s.context(), {.table = s.weights().token_embd,
                             .ids = s.pass->ids,
                             .scale = model::embed_scale(s.config()),
                             .out = s.hidden()});
  }));
  list.push_back(plain_op(scene, "add", 1,
                          [](const Scene& s) { ops::add(s.context(), {.x = s.projected(), .residual = s.hidden()}); }));
}

void add_norms(const Scene& scene, std::vector<PassOp>& list) {
  // The first layer's norm, and two for self-conditioning.
  list.push_back(plain_op(scene, "rms_norm", 3, [](const Scene& s) {
    ops::rms_norm(
        s.context(),
        {.x = s.hidden(), .weight = s.weights().output_norm, .eps = s.config().rms_norm_eps, .out = s.normed()});
  }));
  list.push_back(layer_op(scene, "rms_norm_add", [](const Scene& s, int64_t layer) {
    const LayerWeights& w = s.layer(layer);
    const ops::NormedRows next[] = {norm_of(s, w.ffn_norm, input_of(s, model::kInputSlot, {&w.ffn_gate, &w.ffn_up})),
                                    {.weight = w.ffn_gate_inp_scale, .out = router_input(s)},
                                    norm_of(s, w.pre_ffw_norm_2, experts_input(s, layer))};
    ops::rms_norm_add(s.context(), {.x = s.projected(),
                                    .weight = w.post_attention_norm,
                                    .eps = s.config().rms_norm_eps,
                                    .scale = 0.5f,
                                    .residual = s.hidden(),
                                    .next = next});
  }));
}

void add_attention_core(const Scene& scene, bool is_sliding, std::vector<PassOp>& list) {
  const std::string kind = is_sliding ? " sliding" : " full";
  PassOp rope = layer_op(scene, "qk_norm_rope" + kind, [=](const Scene& s, int64_t layer) {
    if (s.is_sliding(layer) != is_sliding) return;
    const LayerWeights& w = s.layer(layer);
    const PassScratch::Attention scratch = s.attention(layer);
    ops::qk_norm_rope(s.context(), {.q = scratch.q,
                                    .k = scratch.k,
                                    .v = w.attn_v ? scratch.v : scratch.k,
                                    .q_norm = w.attn_q_norm,
                                    .k_norm = w.attn_k_norm,
                                    .eps = s.config().rms_norm_eps,
                                    .inv_freq = s.weights().inv_freq(is_sliding),
                                    .layout = s.weights().key_value_layouts[layer],
                                    .sequences = s.pass->batch.layers[layer].key_value_rows});
  });
  PassOp attention = layer_op(scene, "attention" + kind, [=](const Scene& s, int64_t layer) {
    if (s.is_sliding(layer) != is_sliding) return;
    const PassScratch::Attention scratch = s.attention(layer);
    ops::attention(s.context(), {.q = scratch.q,
                                 .layout = s.weights().key_value_layouts[layer],
                                 .mode = ops::AttentionMode::kCanvas,
                                 .window = is_sliding ? s.config().sliding_window : 0,
                                 .sequences = s.pass->batch.layers[layer].canvases,
                                 .out = scratch.out,
                                 .rounding = rounding_for(s.layer(layer).attn_output)});
  });
  list.push_back(rope);
  list.push_back(attention);
}

void add_attention(const Scene& scene, std::vector<PassOp>& list) {
  list.push_back(layer_op(scene, "linears attn_q, attn_k, attn_v", [](const Scene& s, int64_t layer) {
    const LayerWeights& w = s.layer(layer);
    const PassScratch::Attention scratch = s.attention(layer);
    const ops::LinearProduct products[] = {{w.attn_q, scratch.q}, {w.attn_k, scratch.k}, {w.attn_v, scratch.v}};
    ops::linears(s.context(), {.x = attention_input(s, layer), .products = products});
  }));
  for (const bool is_sliding : {true, false}) add_attention_core(scene, is_sliding, list);
  list.push_back(linear_op(
      scene, "attn_output", &LayerWeights::attn_output,
      [](const Scene& s, int64_t layer) {
        return ops::Activations(s.attention(layer).out, rounding_for(s.layer(layer).attn_output));
      },
      projected_of));
}

void run_gated(const Scene& s, const Weight& gate, const Weight& up, const Weight& down) {
  const int64_t ffn = s.config().intermediate_size;
  ops::gated_linear(s.context(), {.x = input_of(s, model::kInputSlot, {&gate, &up}),
                                  .gate = gate,
                                  .up = up,
                                  .scratch = s.gate_up().column_range(ffn, ffn),
                                  .out = s.gated(),
                                  .rounding = rounding_for(down)});
}

void add_dense_mlp(const Scene& scene, std::vector<PassOp>& list) {
  PassOp gated = layer_op(scene, "gated_linear ffn_gate, ffn_up", [](const Scene& s, int64_t layer) {
    const LayerWeights& w = s.layer(layer);
    run_gated(s, w.ffn_gate, w.ffn_up, w.ffn_down);
  });
  list.push_back(gated);
  list.push_back(linear_op(
      scene, "ffn_down", &LayerWeights::ffn_down,
      [](const Scene& s, int64_t layer) { return ops::Activations(s.gated(), rounding_for(s.layer(layer).ffn_down)); },
      projected_of));

  list.push_back(plain_op(scene, "gated_linear self_cond_gate, self_cond_up", 1, [](const Scene& s) {
    run_gated(s, s.weights().self_cond_gate, s.weights().self_cond_up, s.weights().self_cond_down);
  }));
  list.push_back(plain_op(scene, "linear self_cond_down", 1, [](const Scene& s) {
    const Weight& down = s.weights().self_cond_down;
    ops::linear(s.context(), {.x = {s.gated(), rounding_for(down)}, .weight = down, .out = s.projected()});
  }));
}

void add_routing(const Scene& scene, std::vector<PassOp>& list) {
  list.push_back(layer_op(scene, "router", [](const Scene& s, int64_t layer) {
    const LayerWeights& w = s.layer(layer);
    const PassScratch::Experts scratch = s.experts();
    ops::router(s.context(), {.x = router_input(s),
                              .weight = w.ffn_gate_inp,
                              .scores = scratch.scores,
                              .per_expert_scale = w.ffn_down_exps_scale,
                              .routing = scratch.routing});
  }));
}

void add_experts(const Scene& scene, std::vector<PassOp>& list) {
  PassOp gated = layer_op(scene, "expert_gated_linear", [](const Scene& s, int64_t layer) {
    const PassScratch::Experts scratch = s.experts();
    ops::expert_gated_linear(s.context(), {.x = experts_input(s, layer),
                                           .weights = s.layer(layer).ffn_gate_up_exps,
                                           .routing = scratch.routing,
                                           .scratch = scratch.gate_up,
                                           .out = scratch.gate_up.column_range(0, s.config().moe_intermediate_size),
                                           .rounding = rounding_for(s.layer(layer).ffn_down_exps)});
  });
  PassOp down = layer_op(scene, "expert_linear ffn_down_exps", [](const Scene& s, int64_t layer) {
    const PassScratch::Experts scratch = s.experts();
    const Weight& weight = s.layer(layer).ffn_down_exps;
    const Matrix gated = scratch.gate_up.column_range(0, s.config().moe_intermediate_size);
    ops::expert_linear(s.context(), {.x = {gated, rounding_for(weight)},
                                     .input = ops::ExpertInput::kSlots,
                                     .weight = weight,
                                     .routing = scratch.routing,
                                     .out = scratch.down});
  });
  list.push_back(gated);
  list.push_back(down);
  list.push_back(layer_op(scene, "feed_forward_add", [](const Scene& s, int64_t layer) {
    const LayerWeights& w = s.layer(layer);
    const PassScratch::Experts scratch = s.experts();
    const ops::NormedRows next = norm_of(s, w.attn_norm, attention_input(s, layer));
    ops::feed_forward_add(s.context(), {.mlp = s.pass->memory.feed_forward_sum(s.rows()),
                                        .experts = scratch.down,
                                        .routing = scratch.routing,
                                        .mlp_norm = w.post_ffw_norm_1,
                                        .experts_norm = w.post_ffw_norm_2,
                                        .sum_norm = w.post_ffw_norm,
                                        .eps = s.config().rms_norm_eps,
                                        .canvas_scale = 0.5f,
                                        .text_scale = 0.5f,
                                        .num_canvas_rows = s.rows(),
                                        .scratch = s.projected(),
                                        .residual = s.hidden(),
                                        .next = std::span(&next, 1)});
  }));
}

void add_head(const Scene& scene, std::vector<PassOp>& list) {
  list.push_back(plain_op(scene, "head_stats", 1, [](const Scene& s) {
    const model::CanvasRows rows = s.pass->canvas_rows();
    ops::head_stats(s.context(), {.x = s.normed(),
                                  .head = s.weights().output,
                                  .table = s.weights().token_embd,
                                  .cap = s.config().final_logit_softcapping,
                                  .embed_scale = model::embed_scale(s.config()),
                                  .rows = s.pass->head_rows,
                                  .stats = rows.stats,
                                  .soft_embedding = rows.soft_embedding});
  }));
}

// The rows must spread over the experts. If each row goes to the same ones, the experts' times mean nothing.
void check_routing(const Scene& scene) {
  const ops::Routing routing = scene.experts().routing;
  std::vector<int32_t> offsets(routing.expert_offsets.size());
  ops::copy_to_host(scene.context(), routing.expert_offsets.data(), std::span(offsets).size_bytes(), offsets.data());
  ops::synchronize(scene.context());
  int64_t most = 0;
  for (size_t expert = 0; expert + 1 < offsets.size(); ++expert) {
    most = std::max<int64_t>(most, offsets[expert + 1] - offsets[expert]);
  }
  const bool can_spread = std::ssize(offsets) - 1 > routing.num_active;
  check(!can_spread || most < scene.rows(), "the router sends all ", scene.rows(), " rows to the same experts");
}

}  // namespace

std::vector<PassOp> pass_ops(Pass& pass, const std::vector<std::string>& beginnings) {
  const Scene scene{&pass};
  std::vector<PassOp> list;
  for (const auto add : {add_embedding, add_norms, add_attention, add_dense_mlp, add_routing, add_experts, add_head}) {
    add(scene, list);
  }
  const auto is_wanted = [&](const PassOp& op) {
    return beginnings.empty() || std::any_of(beginnings.begin(), beginnings.end(), [&](const std::string& beginning) {
             return op.name.starts_with(beginning);
           });
  };
  // Each runs once, also those that nobody wants: they write what others read. The router, for example, spreads the
  // rows over the experts by what a norm has written.
  for (PassOp& op : list) count(pass, op);
  check_routing(scene);
  std::erase_if(list, [&](const PassOp& op) { return op.calls == 0 || !is_wanted(op); });
  check(!list.empty(), "no op of the model has a name that begins as asked for");
  return list;
}

}  // namespace gesso::bench
