// Finds the decoder of a type that is known at run time, for kernels that read any type. This is host code.
#pragma once

#include "core/check.h"
#include "cuda/decode/blocks.h"
#include "cuda/decode/decoder_lists.h"
#include "cuda/decode/floats.h"
#include "cuda/decode/list_decoder.h"
#include "cuda/decode/remaining.h"
#include "cuda/decode/super_blocks.h"
#include "quant/all_blocks.h"

namespace gesso::cuda {

template <typename... Blocks>
constexpr bool all_have_one_decoder(quant::BlockList<Blocks...>) {
  constexpr auto kNumLists = [](DType dtype) {
    return FloatTypes::has(dtype) + BlockTypes::has(dtype) + SuperBlockTypes::has(dtype) + RemainingTypes::has(dtype);
  };
  return ((kNumLists(Blocks::kDType) == 1) && ...);
}
static_assert(all_have_one_decoder(quant::AllBlocks{}),
              "decode/decoder_lists.h: a format of quant/all_blocks.h is in none of the lists, or in two");

// Calls use(DecoderType<...>) with the decoder of any type that can be computed with:
//   with_decoder(dtype, [&](auto type) { using Decoder = typename decltype(type)::Decoder; ... });
template <typename Use>
void with_decoder(DType dtype, const Use& use) {
  if (FloatTypes::has(dtype)) return with_decoder_of(FloatTypes{}, dtype, use);
  if (BlockTypes::has(dtype)) return with_decoder_of(BlockTypes{}, dtype, use);
  if (SuperBlockTypes::has(dtype)) return with_decoder_of(SuperBlockTypes{}, dtype, use);
  return with_decoder_of(RemainingTypes{}, dtype, use);
}

}  // namespace gesso::cuda
