// From a type of one of the lists to its decoder. Host code.
#pragma once

#include "core/check.h"
#include "cuda/decode/decoder_lists.h"
#include "cuda/decode/tile_decoder.h"

namespace gesso::cuda {

// Calls use(DecoderType<TileDecoder<type>>) for that type of the list which `dtype` is.
template <DType... kTypes, typename Use>
void with_decoder_of(DTypeList<kTypes...>, DType dtype, const Use& use) {
  const bool is_found = ((dtype == kTypes && (use(DecoderType<TileDecoder<kTypes>>()), true)) || ...);
  check(is_found, "no decoder of this list reads ", dtype_name(dtype));
}

}  // namespace gesso::cuda
