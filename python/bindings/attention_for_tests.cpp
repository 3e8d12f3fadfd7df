// qk_norm_rope and attention over NumPy arrays.
#include <limits>

#include "core/check.h"
#include "for_tests.h"
#include "ops/attention.h"
#include "ops/qk_norm_rope.h"

namespace gesso::bindings {
namespace {

using Heads = nb::ndarray<const float, nb::ndim<3>, nb::c_contig, nb::device::cpu>;  // [keys, G, K]
using RowSpan = std::tuple<int64_t, int64_t, int64_t>;                               // first_row, num_rows, position

// q is None when only keys and values are wanted. Rows outside all sequences keep q and come back NaN in keys, values.
nb::tuple qk_norm_rope(std::optional<Rows> q, Rows k, Rows v, std::optional<Stored> q_norm,
                       std::optional<Stored> k_norm, float eps, Vector<float> inv_freq,
                       const std::vector<RowSpan>& sequences, int num_threads) {
  Call call(num_threads);
  Output q_out = q ? Output(to_matrix(*q)) : Output(0, 0);
  const int64_t rows = k.shape(0), columns = k.shape(1);
  const int64_t half = inv_freq.size(), head_dim = 2 * half;
  check(half > 0, "qk_norm_rope: inv_freq is empty");
  const ops::KeyValueLayout layout = ops::key_value_layout(call.context(), columns / head_dim, head_dim, half, false);
  std::vector<float> keys(rows * columns, std::numeric_limits<float>::quiet_NaN()), values(keys);
  std::vector<ops::KeyValueRows> targets;
  for (const auto& [first_row, num_rows, position] : sequences) {
    targets.push_back({first_row, num_rows, position,
                       reinterpret_cast<std::byte*>(keys.data()) + first_row * layout.key_row_bytes,
                       reinterpret_cast<std::byte*>(values.data()) + first_row * layout.value_row_bytes});
  }
  ops::qk_norm_rope(call.context(), call.output(q_out), call.matrix(k), call.matrix(v), call.tensor(q_norm),
                    call.tensor(k_norm), eps, call.staged(std::span(inv_freq.data(), inv_freq.size())), layout,
                    call.staged(targets));
  call.finish();
  return nb::make_tuple(q_out.finish(), rows_to_numpy<float>({keys.data(), rows, columns}),
                        rows_to_numpy<float>({values.data(), rows, columns}));
}

// ops::AttentionSequence with the arrays it points to.
struct OwnedSequence {
  int64_t first_row = 0, num_rows = 0, first_position = 0, cached_begin = 0;
  std::optional<Heads> cached_keys, cached_values, own_keys, own_values;

  ops::AttentionSequence view(int64_t num_key_value_heads, int64_t head_dim) const {
    const auto data = [&](const std::optional<Heads>& heads) -> const std::byte* {
      if (!heads) return nullptr;
      check(static_cast<int64_t>(heads->shape(1)) == num_key_value_heads,
            "keys or values with a wrong number of heads");
      check(static_cast<int64_t>(heads->shape(2)) == head_dim, "keys or values with a wrong head_dim");
      return reinterpret_cast<const std::byte*>(heads->data());
    };
    const auto size = [](const std::optional<Heads>& heads) { return heads ? heads->shape(0) : 0; };
    check(size(cached_keys) == size(cached_values) && size(own_keys) == size(own_values), "unequal keys and values");
    check(!own_keys || static_cast<int64_t>(size(own_keys)) == num_rows, "own keys of other than the sequence's rows");
    ops::AttentionSequence view{first_row, num_rows, first_position};
    view.cached_keys = data(cached_keys);
    view.cached_values = data(cached_values);
    view.cached_begin = cached_begin;
    view.cached_end = cached_begin + static_cast<int64_t>(size(cached_keys));
    view.own_keys = data(own_keys);
    view.own_values = data(own_values);
    return view;
  }
};

NumpyRows<float> attention(Rows q, int64_t num_key_value_heads, int64_t head_dim, bool causal, int64_t window,
                           const std::vector<OwnedSequence>& sequences, int num_threads) {
  std::vector<ops::AttentionSequence> views;
  for (const OwnedSequence& sequence : sequences) views.push_back(sequence.view(num_key_value_heads, head_dim));
  Call call(num_threads);
  const ops::KeyValueLayout layout =
      ops::key_value_layout(call.context(), num_key_value_heads, head_dim, head_dim / 2, false);
  Output out(q.shape(0), q.shape(1));
  ops::attention(call.context(), call.matrix(q), layout,
                 causal ? ops::AttentionMode::kCausal : ops::AttentionMode::kCanvas, window, call.staged(views),
                 call.output(out));
  call.finish();
  return out.finish();
}

}  // namespace

void bind_attention_ops(nb::module_& module) {
  module.def("qk_norm_rope", qk_norm_rope, "q"_a.none(), "k"_a, "v"_a, "q_norm"_a.none(), "k_norm"_a.none(), "eps"_a,
             "inv_freq"_a, "sequences"_a, nb::kw_only(), num_threads());
  nb::class_<OwnedSequence>(module, "AttentionSequence")
      .def(
          "__init__",
          [](OwnedSequence* self, int64_t first_row, int64_t num_rows, int64_t first_position, int64_t cached_begin,
             std::optional<Heads> cached_keys, std::optional<Heads> cached_values, std::optional<Heads> own_keys,
             std::optional<Heads> own_values) {
            new (self) OwnedSequence{first_row,   num_rows,      first_position, cached_begin,
                                     cached_keys, cached_values, own_keys,       own_values};
          },
          nb::kw_only(), "first_row"_a = 0, "num_rows"_a, "first_position"_a, "cached_begin"_a = 0,
          "cached_keys"_a = nb::none(), "cached_values"_a = nb::none(), "own_keys"_a = nb::none(),
          "own_values"_a = nb::none());
  module.def("attention", attention, "q"_a, "num_key_value_heads"_a, "head_dim"_a, nb::kw_only(), "causal"_a,
             "window"_a = 0, "sequences"_a, num_threads());
}

}  // namespace gesso::bindings
