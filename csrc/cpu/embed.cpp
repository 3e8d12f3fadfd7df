#include "ops/embed.h"

#include "core/threads/threads.h"
#include "cpu/simd/vector_math.h"
#include "quant/formats.h"

namespace gesso::cpu {

void embed(const Context& context, const ops::EmbedArguments& a) {
  const quant::DecodeRow decode = quant::find_decoder(a.table.dtype);
  parallel_for(context, a.out.rows, 2 * a.out.columns, [&](int64_t r) {
    decode(a.table.row(a.ids.host[r]), a.out.columns, a.out.row(r));
    cpu::scale(a.scale, a.out.row(r), a.out.columns);
  });
}

}  // namespace gesso::cpu
