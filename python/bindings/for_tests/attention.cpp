// qk_norm_rope and attention for NumPy arrays.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <list>
#include <stdexcept>

#include "core/check.h"
#include "for_tests.h"
#include "normed_products.h"
#include "ops/attention.h"
#include "ops/linear.h"
#include "ops/qk_norm_rope.h"
#include "quant/half.h"

namespace gesso::bindings {
namespace {

using Heads = nb::ndarray<const float, nb::ndim<3>, nb::c_contig, nb::device::cpu>;  // [keys, G, K]
using RowSpan = std::tuple<int64_t, int64_t, int64_t>;                               // first_row, num_rows, position

// Converts rows of keys or values [G, `size`] between the floats of a test and the bytes of a KeyValueLayout. On the
// CPU they are stored as floats. On a GPU they are stored as bf16, and there may be a gap behind each head. `size` is
// K, or less where the layout does not store all dims of a key.
class RowFormat {
 public:
  RowFormat(const Context& context, const ops::KeyValueLayout& layout, int64_t row_bytes)
      : is_bf16_(context.queue != nullptr),
        num_heads_(layout.num_key_value_heads),
        row_bytes_(row_bytes),
        head_bytes_(row_bytes / num_heads_),
        size_(std::min(layout.head_dim, head_bytes_ / (is_bf16_ ? 2 : 4))) {}

  int64_t size() const { return size_; }
  int64_t columns() const { return num_heads_ * size_; }
  std::vector<std::byte> store(const float* rows, int64_t num_rows) const {
    std::vector<std::byte> stored;
    stored.reserve(row_bytes_);            // also 0 rows have an address
    stored.resize(num_rows * row_bytes_);  // the gaps are 0, as the layout promises
    for (int64_t head = 0; head < num_rows * num_heads_; ++head) {
      for (int64_t i = 0; i < size_; ++i) store_value(rows[head * size_ + i], &stored[head * head_bytes_], i);
    }
    return stored;
  }
  // Returns rows for an op to write. All their values are NaN until then.
  std::vector<std::byte> untouched(int64_t num_rows) const {
    return std::vector<std::byte>(num_rows * row_bytes_, std::byte{0xff});
  }
  // Throws a std::logic_error when a head was written and the gap behind it is not 0.
  std::vector<float> load(const std::vector<std::byte>& stored) const {
    std::vector<float> rows;
    for (size_t head = 0; head < stored.size(); head += head_bytes_) {
      for (int64_t i = 0; i < size_; ++i) rows.push_back(load_value(&stored[head], i));
      for (int64_t i = size_; is_bf16_ && !std::isnan(rows.back()) && i < head_bytes_ / 2; ++i) {
        if (load_value(&stored[head], i) != 0) throw std::logic_error("the gap behind a head is not zero");
      }
    }
    return rows;
  }

 private:
  void store_value(float value, std::byte* head, int64_t i) const {
    if (is_bf16_) return quant::store_u16(quant::float_to_bfloat16(value), reinterpret_cast<uint8_t*>(head) + 2 * i);
    std::memcpy(head + 4 * i, &value, sizeof(value));
  }
  float load_value(const std::byte* head, int64_t i) const {
    if (is_bf16_) return quant::bfloat16_to_float(quant::load_u16(reinterpret_cast<const uint8_t*>(head) + 2 * i));
    float value;
    std::memcpy(&value, head + 4 * i, sizeof(value));
    return value;
  }

  bool is_bf16_;
  int64_t num_heads_, row_bytes_, head_bytes_, size_;
};

// `q` is None when only keys and values are wanted. Rows that belong to no sequence come back with q unchanged and with
// NaN as keys and values. Keys come back with as many columns as the layout stores of them.
nb::tuple qk_norm_rope(std::optional<Rows> q, Rows k, Rows v, std::optional<Stored> q_norm,
                       std::optional<Stored> k_norm, float eps, Vector<float> inv_freq,
                       const std::vector<RowSpan>& sequences, std::optional<int64_t> num_rotated, bool is_shared,
                       int num_threads) {
  Call call(num_threads);
  Output q_out = q ? Output(to_matrix(*q)) : Output(0, 0);
  const int64_t rows = k.shape(0), columns = k.shape(1);
  const int64_t half = inv_freq.size(), head_dim = 2 * half;
  check(half > 0, "qk_norm_rope: inv_freq is empty");
  const ops::KeyValueLayout layout =
      ops::key_value_layout(call.context(), {columns / head_dim, head_dim, num_rotated.value_or(half), is_shared});
  const RowFormat key_format(call.context(), layout, layout.key_row_bytes);
  const RowFormat value_format(call.context(), layout, layout.value_row_bytes);
  std::vector<std::byte> keys = key_format.untouched(rows), values = value_format.untouched(rows);
  const std::span<std::byte> key_rows = call.array(keys), value_rows = call.array(values);
  std::vector<ops::KeyValueRows> targets;
  for (const auto& [first_row, num_rows, position] : sequences) {
    targets.push_back({first_row, num_rows, position, key_rows.data() + first_row * layout.key_row_bytes,
                       value_rows.data() + first_row * layout.value_row_bytes});
  }
  ops::qk_norm_rope(call.context(), {.q = call.output(q_out),
                                     .k = call.matrix(k),
                                     .v = call.matrix(v),
                                     .q_norm = call.tensor(q_norm),
                                     .k_norm = call.tensor(k_norm),
                                     .eps = eps,
                                     .inv_freq = call.staged(std::span(inv_freq.data(), inv_freq.size())),
                                     .layout = layout,
                                     .sequences = call.staged(targets)});
  call.finish();
  const auto to_numpy = [&](const RowFormat& format, const std::vector<std::byte>& stored) {
    return rows_to_numpy<float>({format.load(stored).data(), rows, format.columns()});
  };
  return nb::make_tuple(q_out.finish(), to_numpy(key_format, keys), to_numpy(value_format, values));
}

// An ops::AttentionSequence that owns the arrays it points to.
struct OwnedSequence {
  int64_t first_row = 0, num_rows = 0, first_position = 0, cached_begin = 0;
  std::optional<Heads> cached_keys, cached_values, own_keys, own_values;

  // The view points to rows that this function adds to `stored`.
  ops::AttentionSequence view(Call& call, const ops::KeyValueLayout& layout,
                              std::list<std::vector<std::byte>>& stored) const {
    const RowFormat keys(call.context(), layout, layout.key_row_bytes);
    const RowFormat values(call.context(), layout, layout.value_row_bytes);
    const auto data = [&](const std::optional<Heads>& heads, const RowFormat& format) -> const std::byte* {
      if (!heads) return nullptr;
      check(static_cast<int64_t>(heads->shape(1)) == layout.num_key_value_heads,
            "keys or values with a wrong number of heads");
      check(static_cast<int64_t>(heads->shape(2)) == format.size(), "keys or values with a wrong head_dim");
      stored.push_back(format.store(heads->data(), heads->shape(0)));
      return call.input(stored.back().data(), static_cast<int64_t>(stored.back().size()));
    };
    const auto size = [](const std::optional<Heads>& heads) { return heads ? heads->shape(0) : 0; };
    check(size(cached_keys) == size(cached_values) && size(own_keys) == size(own_values), "unequal keys and values");
    check(!own_keys || static_cast<int64_t>(size(own_keys)) == num_rows, "own keys of other than the sequence's rows");
    ops::AttentionSequence view{first_row, num_rows, first_position};
    view.cached_keys = data(cached_keys, keys);
    view.cached_values = data(cached_values, values);
    view.cached_begin = cached_begin;
    view.cached_end = cached_begin + static_cast<int64_t>(size(cached_keys));
    view.own_keys = data(own_keys, keys);
    view.own_values = data(own_values, values);
    return view;
  }
};

// With the weight `output`, the result is rounded for it, and the product with it is returned.
NumpyRows<float> attention(Rows q, int64_t num_key_value_heads, int64_t head_dim, bool causal, int64_t window,
                           const std::vector<OwnedSequence>& sequences, std::optional<int64_t> num_rotated,
                           bool is_shared, const std::optional<Stored>& output, int num_threads) {
  Call call(num_threads);
  const ops::KeyValueLayout layout = ops::key_value_layout(
      call.context(), {num_key_value_heads, head_dim, num_rotated.value_or(head_dim / 2), is_shared});
  std::list<std::vector<std::byte>> stored;
  std::vector<ops::AttentionSequence> views;
  for (const OwnedSequence& sequence : sequences) views.push_back(sequence.view(call, layout, stored));
  const NextWeight next(call, output);
  Output out(q.shape(0), q.shape(1)), product(q.shape(0), next.num_outputs());
  const Matrix attended = call.output(out);
  ops::attention(call.context(), {.q = call.matrix(q),
                                  .layout = layout,
                                  .mode = causal ? ops::AttentionMode::kCausal : ops::AttentionMode::kCanvas,
                                  .window = window,
                                  .sequences = call.staged(views),
                                  .out = attended,
                                  .rounding = next.rounding});
  if (next) {
    ops::linear(call.context(), {.x = {attended, next.rounding}, .weight = next.weight, .out = call.output(product)});
  }
  call.finish();
  return next ? product.finish() : out.finish();
}

}  // namespace

void bind_attention_ops(nb::module_& module) {
  module.def("qk_norm_rope", qk_norm_rope, "q"_a.none(), "k"_a, "v"_a, "q_norm"_a.none(), "k_norm"_a.none(), "eps"_a,
             "inv_freq"_a, "sequences"_a, nb::kw_only(), "num_rotated"_a = nb::none(), "is_shared"_a = false,
             num_threads());
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
             "window"_a = 0, "sequences"_a, "num_rotated"_a = nb::none(), "is_shared"_a = false,
             "output"_a = nb::none(), num_threads());
}

}  // namespace gesso::bindings
