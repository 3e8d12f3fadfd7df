#include "api/op_profile.h"

#include <utility>

namespace gesso {
namespace {

using model::LayerWeights;

struct Role {
  std::string name;
  std::vector<DType> types;
};

// Finds the role of a weight by the address of its data. Weights that one op takes together are found by the first of
// them.
class Roles {
 public:
  explicit Roles(const model::Weights& weights) {
    add("token_embd", {&weights.token_embd});
    if (weights.output.values.data != weights.token_embd.data) add("output", {&weights.output.values});
    add("self_cond_gate, self_cond_up", {&weights.self_cond_gate.values, &weights.self_cond_up.values});
    add("self_cond_down", {&weights.self_cond_down.values});
    for (const LayerWeights& layer : weights.layers) add_layer(layer);
  }

  // nullptr for data that are no weight of the model.
  const Role* find(const void* data) const {
    const auto found = roles_.find(data);
    return found == roles_.end() ? nullptr : &found->second;
  }

 private:
  void add_layer(const LayerWeights& layer) {
    static constexpr std::pair<const char*, Weight LayerWeights::*> kSingle[] = {
        {"attn_output", &LayerWeights::attn_output},
        {"ffn_down", &LayerWeights::ffn_down},
        {"ffn_gate_inp", &LayerWeights::ffn_gate_inp},
        {"ffn_down_exps", &LayerWeights::ffn_down_exps}};
    for (const auto& [name, weight] : kSingle) add(name, {&(layer.*weight).values});
    add("attn_q, attn_k, attn_v", {&layer.attn_q.values, &layer.attn_k.values, &layer.attn_v.values});
    add("ffn_gate, ffn_up", {&layer.ffn_gate.values, &layer.ffn_up.values});
    const GatedWeights& experts = layer.ffn_gate_up_exps;
    add("ffn_gate_up_exps", {&experts.gate_up.values});
    add("ffn_gate_exps, ffn_up_exps", {&experts.gate.values, &experts.up.values});
  }

  void add(const char* name, std::initializer_list<const Tensor*> tensors) {
    const Tensor& first = **tensors.begin();
    if (!first) return;
    Role& role = roles_[first.data];
    role.name = name;
    for (const Tensor* tensor : tensors) {
      if (*tensor) role.types.push_back(tensor->dtype);
    }
  }

  std::map<const void*, Role> roles_;
};

// Appends a name to a list in a text, unless the list has it already.
void add_name(std::string& list, const std::string& name, const std::string& separator) {
  if ((separator + list + separator).find(separator + name + separator) != std::string::npos) return;
  list += (list.empty() ? "" : separator) + name;
}

}  // namespace

std::vector<OpProfile> name_profile(const std::map<Profile::Key, Profile::Entry>& entries,
                                    const model::Weights& weights) {
  const Roles roles(weights);
  std::map<std::pair<std::string, std::string>, OpProfile> sums;
  for (const auto& [key, entry] : entries) {
    const Role* role = roles.find(key.second);
    const std::string op(key.first), name = role ? role->name : "";
    OpProfile& sum = sums[{op, name}];
    sum.op = op;
    sum.weight = name;
    if (role) {
      for (const DType dtype : role->types) add_name(sum.types, dtype_name(dtype), " ");
    }
    for (const std::string& plan : entry.plans) add_name(sum.plan, plan, "; ");
    sum.calls += entry.calls;
    sum.ms += entry.ms;
    sum.stored_bytes += entry.work.stored_bytes;
    sum.activation_bytes += entry.work.activation_bytes;
    sum.float_operations += entry.work.float_operations;
    sum.int8_operations += entry.work.int8_operations;
  }
  std::vector<OpProfile> list;
  for (auto& [key, sum] : sums) list.push_back(std::move(sum));
  return list;
}

}  // namespace gesso
