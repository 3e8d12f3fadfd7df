#include "packed_rows.h"

#include "core/check.h"
#include "quant/half.h"
#ifdef GESSO_HAS_CUDA
#include "cuda/gemm/gemm.h"
#endif

namespace gesso::bindings {

#ifdef GESSO_HAS_CUDA
HalfRows::HalfRows(Call& call, const ops::Activations& x, const ops::WeightKind& weight) {
  check(call.context().queue, "HalfRows: expected a GPU, got the CPU");
  const cuda::PackedRows packed = cuda::pack_rows(call.context(), x, weight);
  check(cuda::is_f16(packed.format.type), "HalfRows: the rows are not packed as half precision");
  rows_ = packed.rows;
  columns_ = packed.num_steps * cuda::kStepColumns;
  values_.resize(rows_ * columns_);
  scales_.resize(rows_);
  call.bring_back(packed.values, values_.data(), rows_ * packed.row_bytes);
  call.bring_back(packed.row_scales, scales_.data(), rows_ * static_cast<int64_t>(sizeof(float)));
}
#else
HalfRows::HalfRows(Call&, const ops::Activations&, const ops::WeightKind&) : rows_(0), columns_(0) {
  check(false, "HalfRows: gesso is built without a GPU");
}
#endif

NumpyRows<float> HalfRows::finish() const {
  std::vector<float> all;
  for (int64_t row = 0; row < rows_; ++row) {
    for (int64_t i = 0; i < columns_; ++i) all.push_back(quant::half_to_float(values_[row * columns_ + i]));
    all.push_back(scales_[row]);
  }
  return rows_to_numpy<float>({all.data(), rows_, columns_ + 1});
}

namespace {

NumpyRows<float> half_rows(Rows x, bool evens_first, int num_threads) {
  Call call(num_threads);
  const HalfRows rows(call, call.matrix(x), {evens_first ? DType::kQ4_K : DType::kQ8_0, true});
  call.finish();
  return rows.finish();
}

}  // namespace

void bind_packed_rows(nb::module_& module) {
  module.def("half_rows", half_rows, "x"_a, nb::kw_only(), "evens_first"_a = false, num_threads());
}

}  // namespace gesso::bindings
