// The module gesso._ops: its helpers (declared in for_tests.h) and the ops on plain matrices.
#include <algorithm>
#include <limits>
#include <stdexcept>

#include "core/check.h"
#include "for_tests.h"
#include "normed_products.h"
#include "ops/add.h"
#include "ops/device.h"
#include "ops/embed.h"
#include "ops/gated_linear.h"
#include "ops/linear.h"
#include "ops/linears.h"
#include "ops/lm_head.h"
#include "ops/soft_embed.h"

namespace gesso::bindings {
namespace {

constexpr int64_t kMargin = 3;  // elements beside the rows of an Output; an odd number, so that rows are not aligned
constexpr float kUntouched = -12345.678f;

// The queue of the device on which ops run; none for the CPU. It is never destroyed, because at exit the CUDA runtime
// may be gone already.
ops::QueuePointer& test_queue() {
  static auto* queue = new ops::QueuePointer();
  return *queue;
}

// How products round their inputs.
ActivationType test_activations = ActivationType::kF32;

void use_device(const std::string& device, const std::string& activations) {
  const bool is_int8 = activations == "int8";
  test_queue() = nullptr;
  const bool is_cpu = device == "cpu";
  test_activations = is_int8 ? ActivationType::kInt8 : is_cpu ? ActivationType::kF32 : ActivationType::kBF16;
  if (is_cpu) return;
  for (const ops::Device& found : ops::devices()) {
    if (found.name != device) continue;
    test_queue() = ops::make_queue(found.index);
    return;
  }
  throw ArgumentError("use_device: there is no " + device);
}

}  // namespace

Tensor to_tensor(const Stored& stored) {
  const auto& [name, extents, bytes] = stored;
  const DTypeInfo* info = find_dtype(name);
  check(info, "unknown type ", name);
  check(!extents.empty() && extents.size() <= Shape::kMaxRank, "expected rank 1 to 4, got ", extents.size());
  Tensor tensor;
  tensor.dtype = info->dtype;
  tensor.data = reinterpret_cast<const std::byte*>(bytes.data());
  for (int64_t extent : extents) tensor.shape.extents[tensor.shape.rank++] = extent;
  check(extents.back() % info->block_elements == 0, "rows of ", extents.back(), " are no whole ", name, " blocks");
  check(tensor.num_bytes() == static_cast<int64_t>(bytes.size()), name, " ", tensor.shape.to_string(), ": expected ",
        tensor.num_bytes(), " bytes, got ", bytes.size());
  return tensor;
}

ConstMatrix to_matrix(const Rows& rows) {
  check(rows.size() == 0 || rows.shape(1) == 1 || rows.stride(1) == 1, "the elements of a row must be contiguous");
  return {rows.data(), static_cast<int64_t>(rows.shape(0)), static_cast<int64_t>(rows.shape(1)), rows.stride(0)};
}

Output::Output(int64_t rows, int64_t columns)
    : rows_(rows), columns_(columns), memory_((rows + 2) * (columns + 2 * kMargin), kUntouched) {
  for (int64_t r = 0; r < rows; ++r) std::fill_n(view().row(r), columns, std::numeric_limits<float>::quiet_NaN());
}

Output::Output(ConstMatrix initial) : Output(initial.rows, initial.columns) {
  for (int64_t r = 0; r < rows_; ++r) std::copy_n(initial.row(r), columns_, view().row(r));
}

Matrix Output::view() {
  const int64_t stride = columns_ + 2 * kMargin;
  return {memory_.data() + stride + kMargin, rows_, columns_, stride};
}

NumpyRows<float> Output::finish() {
  auto result = rows_to_numpy<float>(view());
  for (int64_t r = 0; r < rows_; ++r) std::fill_n(view().row(r), columns_, kUntouched);
  const bool intact = std::all_of(memory_.begin(), memory_.end(), [](float value) { return value == kUntouched; });
  if (!intact) throw std::logic_error("the op wrote outside its output");
  return result;
}

Call::Call(int num_threads)
    : context_{num_threads, {}, nullptr, test_queue().get(), test_activations, test_profile()} {}

const std::byte* Call::place(const void* data, int64_t num_bytes) {
  if (!context_.queue) return static_cast<const std::byte*>(data);
  // Kernels may read up to 16 bytes behind an array, and they are zero, as place_weights has them. They also make sure
  // that an array of 0 bytes has an address.
  constexpr int64_t kReadable = 16;
  memory_.push_back(ops::allocate<std::byte>(context_, num_bytes + kReadable));
  ops::copy_to_device(context_, data, num_bytes, memory_.back().data());
  ops::fill_zero(context_, memory_.back().data() + num_bytes, kReadable);
  return memory_.back().data();
}

Tensor Call::tensor(const Stored& stored) {
  Tensor tensor = to_tensor(stored);
  tensor.data = place(tensor.data, tensor.num_bytes());
  return tensor;
}

ConstMatrix Call::matrix(const Rows& rows) {
  ConstMatrix matrix = to_matrix(rows);
  if (matrix.rows == 0 || !context_.queue) return matrix;
  check(matrix.stride >= matrix.columns, "the rows must follow each other");
  matrix.data = input(matrix.data, (matrix.rows - 1) * matrix.stride + matrix.columns);
  return matrix;
}

Matrix Call::output(Output& out) {
  Matrix view = out.view();
  const int64_t offset = view.data - out.memory().data();
  view.data = array(out.memory()).data() + offset;
  return view;
}

void Call::finish() {
  for (const Result& result : results_) ops::copy_to_host(context_, result.device, result.num_bytes, result.host);
  ops::synchronize(context_);
}

namespace {

NumpyRows<float> embed(Stored table, Vector<int32_t> ids, float scale, int num_threads) {
  Call call(num_threads);
  Output out(ids.size(), std::get<1>(table).back());
  const std::span<const int32_t> values(ids.data(), ids.size());
  ops::embed(call.context(),
             {.table = call.tensor(table), .ids = call.staged(values), .scale = scale, .out = call.output(out)});
  call.finish();
  return out.finish();
}

NumpyRows<float> linear(Rows x, Stored weight, std::optional<Stored> scale, int num_threads) {
  Call call(num_threads);
  Output out(x.shape(0), std::get<1>(weight).front());
  ops::linear(call.context(),
              {.x = call.matrix(x), .weight = {call.tensor(weight), call.tensor(scale)}, .out = call.output(out)});
  call.finish();
  return out.finish();
}

// A weight, its scale, and whether the product with it is needed. The result of one that is not has no rows.
using ProductOfTest = std::tuple<std::optional<Stored>, std::optional<Stored>, bool>;

std::vector<NumpyRows<float>> linears(Rows x, const std::vector<ProductOfTest>& products, int num_threads) {
  Call call(num_threads);
  std::vector<Weight> weights;
  std::vector<Output> outs;
  for (const auto& [weight, scale, is_needed] : products) {
    weights.push_back({call.tensor(weight), call.tensor(scale)});
    outs.emplace_back(is_needed ? x.shape(0) : 0, weight ? std::get<1>(*weight).front() : 0);
  }
  std::vector<ops::LinearProduct> list;
  for (size_t i = 0; i < products.size(); ++i) list.push_back({weights[i], call.output(outs[i])});
  ops::linears(call.context(), {.x = call.matrix(x), .products = list});
  call.finish();
  std::vector<NumpyRows<float>> results;
  for (Output& out : outs) results.push_back(out.finish());
  return results;
}

NumpyRows<float> lm_head(Rows x, Stored head, float cap, std::optional<Stored> scale, int num_threads) {
  Call call(num_threads);
  Output logits(x.shape(0), std::get<1>(head).front());
  ops::lm_head(call.context(), {.x = call.matrix(x),
                                .head = {call.tensor(head), call.tensor(scale)},
                                .cap = cap,
                                .logits = call.output(logits)});
  call.finish();
  return logits.finish();
}

// With `down`, the result is rounded for that weight, and the product with it is returned.
NumpyRows<float> gated_linear(Rows x, Stored gate, Stored up, std::optional<Stored> gate_scale,
                              std::optional<Stored> up_scale, std::optional<Stored> down, int num_threads) {
  Call call(num_threads);
  const int64_t rows = x.shape(0), outputs = std::get<1>(gate).front();
  const NextWeight next(call, down);
  Output scratch(rows, outputs), out(rows, outputs), product(rows, next.num_outputs());
  const Matrix gated = call.output(out);
  ops::gated_linear(call.context(), {.x = call.matrix(x),
                                     .gate = {call.tensor(gate), call.tensor(gate_scale)},
                                     .up = {call.tensor(up), call.tensor(up_scale)},
                                     .scratch = call.output(scratch),
                                     .out = gated,
                                     .rounding = next.rounding});
  if (next) {
    ops::linear(call.context(), {.x = {gated, next.rounding}, .weight = next.weight, .out = call.output(product)});
  }
  call.finish();
  return next ? product.finish() : out.finish();
}

NumpyRows<float> add(Rows x, Rows residual, int num_threads) {
  Call call(num_threads);
  Output out(to_matrix(residual));
  ops::add(call.context(), {.x = call.matrix(x), .residual = call.output(out)});
  call.finish();
  return out.finish();
}

NumpyRows<float> soft_embed(Rows logits, Stored table, float scale, double left_out_share, int num_threads) {
  Call call(num_threads);
  Output out(logits.shape(0), std::get<1>(table).back());
  ops::soft_embed(call.context(), {.logits = call.matrix(logits),
                                   .table = call.tensor(table),
                                   .scale = scale,
                                   .out = call.output(out),
                                   .left_out_share = left_out_share});
  call.finish();
  return out.finish();
}

}  // namespace

void bind_dense_ops(nb::module_& module) {
  module.def("embed", embed, "table"_a, "ids"_a, "scale"_a, nb::kw_only(), num_threads());
  module.def("linear", linear, "x"_a, "weight"_a, "scale"_a.none() = nb::none(), nb::kw_only(), num_threads());
  module.def("linears", linears, "x"_a, "products"_a, nb::kw_only(), num_threads());
  module.def("lm_head", lm_head, "x"_a, "head"_a, "cap"_a, "scale"_a.none() = nb::none(), nb::kw_only(), num_threads());
  module.def("gated_linear", gated_linear, "x"_a, "gate"_a, "up"_a, nb::kw_only(), "gate_scale"_a.none() = nb::none(),
             "up_scale"_a.none() = nb::none(), "down"_a.none() = nb::none(), num_threads());
  module.def("add", add, "x"_a, "residual"_a, nb::kw_only(), num_threads());
  module.def("soft_embed", soft_embed, "logits"_a, "table"_a, "scale"_a, nb::kw_only(),
             "left_out_share"_a = ops::kExactShare, num_threads());
}

}  // namespace gesso::bindings

NB_MODULE(_ops, module) {
  using namespace gesso::bindings;
  module.doc() = "Single ops, draws and readers, for tests.";
  // Both modules use the types and exceptions that gesso._native defines.
  nb::module_::import_("gesso._native");
  module.def("use_device", use_device, "device"_a, "activations"_a = "bf16",
             "Where all ops of this module run from now on.");
  bind_dense_ops(module);
  bind_norms(module);
  bind_attention_ops(module);
  bind_expert_ops(module);
  bind_sampler(module);
  bind_vector_math(module);
  bind_readers(module);
  bind_profile(module);
  bind_logits(module);
  bind_plans(module);
  bind_packed_rows(module);
}
