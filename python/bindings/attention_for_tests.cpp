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
  Output q_out = q ? Output(to_matrix(*q)) : Output(0, 0);
  const int64_t rows = k.shape(0), columns = k.shape(1);
  std::vector<float> keys(rows * columns, std::numeric_limits<float>::quiet_NaN()), values(keys);
  std::vector<ops::KeyValueRows> targets;
  for (const auto& [first_row, num_rows, position] : sequences) {
    const int64_t offset = first_row * columns;
    targets.push_back({first_row, num_rows, position, keys.data() + offset, values.data() + offset});
  }
  ops::qk_norm_rope(threads(num_threads), q_out.view(), to_matrix(k), to_matrix(v), to_tensor(q_norm),
                    to_tensor(k_norm), eps, {inv_freq.data(), inv_freq.size()}, targets);
  return nb::make_tuple(q_out.finish(), rows_to_numpy<float>({keys.data(), rows, columns}),
                        rows_to_numpy<float>({values.data(), rows, columns}));
}

// ops::AttentionSequence with the arrays it points to.
struct OwnedSequence {
  int64_t first_row = 0, num_rows = 0, first_position = 0, cached_begin = 0;
  std::optional<Heads> cached_keys, cached_values, own_keys, own_values;

  ops::AttentionSequence view(int64_t num_key_value_heads, int64_t head_dim) const {
    const auto data = [&](const std::optional<Heads>& heads) -> const float* {
      if (!heads) return nullptr;
      check(static_cast<int64_t>(heads->shape(1)) == num_key_value_heads,
            "keys or values with a wrong number of heads");
      check(static_cast<int64_t>(heads->shape(2)) == head_dim, "keys or values with a wrong head_dim");
      return heads->data();
    };
    const auto size = [](const std::optional<Heads>& heads) { return heads ? heads->shape(0) : 0; };
    check(size(cached_keys) == size(cached_values) && size(own_keys) == size(own_values), "unequal keys and values");
    check(!own_keys || static_cast<int64_t>(size(own_keys)) == num_rows, "own keys of other than the sequence's rows");
    return {first_row,
            num_rows,
            first_position,
            data(cached_keys),
            data(cached_values),
            cached_begin,
            cached_begin + static_cast<int64_t>(size(cached_keys)),
            data(own_keys),
            data(own_values)};
  }
};

NumpyRows<float> attention(Rows q, int64_t num_key_value_heads, int64_t head_dim, bool causal, int64_t window,
                           const std::vector<OwnedSequence>& sequences, int num_threads) {
  std::vector<ops::AttentionSequence> views;
  for (const OwnedSequence& sequence : sequences) views.push_back(sequence.view(num_key_value_heads, head_dim));
  Output out(q.shape(0), q.shape(1));
  ops::attention(threads(num_threads), to_matrix(q), num_key_value_heads, head_dim,
                 causal ? ops::AttentionMode::kCausal : ops::AttentionMode::kCanvas, window, views, out.view());
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
