#include "ops/embed.h"

#include "core/threads.h"
#include "cpu/simd/vector_math.h"
#include "quant/formats.h"

namespace gesso::cpu {

void embed(const Context& context, const Tensor& table, Staged<int32_t> ids, float scale, Matrix out) {
  const quant::DecodeRow decode = quant::find_decoder(table.dtype);
  parallel_for(context, out.rows, 2 * out.columns, [&](int64_t r) {
    decode(table.row(ids.host[r]), out.columns, out.row(r));
    cpu::scale(scale, out.row(r), out.columns);
  });
}

}  // namespace gesso::cpu
