// From a type to its decoder, for kernels that read any of them.
#pragma once

#include "cuda/decode/blocks.h"
#include "cuda/decode/decoder_group.h"
#include "cuda/decode/floats.h"
#include "cuda/decode/remaining.h"
#include "cuda/decode/super_blocks.h"

namespace gesso::cuda {

// Calls use(DecoderType<...>) for the decoder of any type that can be computed with:
//   with_decoder(dtype, [&](auto type) { using Decoder = typename decltype(type)::Decoder; ... });
template <typename Use>
void with_decoder(DType dtype, const Use& use) {
  switch (decoder_group(dtype)) {
    case DecoderGroup::kFloats:
      return with_float_decoder(dtype, use);
    case DecoderGroup::kBlocks:
      return with_block_decoder(dtype, use);
    case DecoderGroup::kSuperBlocks:
      return with_super_block_decoder(dtype, use);
    case DecoderGroup::kRemaining:
      return use(DecoderType<RemainingDecoder>());
  }
}

}  // namespace gesso::cuda
