// Finds the decoder of a type in one of the lists. This is host code.
#pragma once

#include "core/check.h"
#include "cuda/decode/decoder_lists.h"
#include "cuda/decode/tile_decoder.h"

namespace gesso::cuda {

// Calls use(DecoderType<TileDecoder<type>>) for the type of the list that `dtype` is. ArgumentError if there is none.
template <DType... kTypes, typename Use>
void with_decoder_of(DTypeList<kTypes...>, DType dtype, const Use& use) {
  const bool is_found = ((dtype == kTypes && (use(DecoderType<TileDecoder<kTypes>>()), true)) || ...);
  check(is_found, "no decoder of this list reads ", dtype_name(dtype));
}

}  // namespace gesso::cuda
