// Finds the struct of the blocks of a type that is known at run time. This is device code.
#pragma once

#include "core/dtype.h"
#include "cuda/device/kernel.h"
#include "quant/all_blocks.h"

namespace gesso::cuda {

// A list that has every format. Like the lists of decoder_lists.h it can be asked has().
struct AllTypes {
  static constexpr bool has(DType) { return true; }
};

template <typename Types, typename Block, typename Visit>
__device__ inline bool visit_if(DType dtype, const Visit& visit) {
  if constexpr (Types::has(Block::kDType)) {
    if (dtype == Block::kDType) {
      visit(Block{});
      return true;
    }
  }
  return false;
}

template <typename Types, typename... Blocks, typename Visit>
__device__ inline void visit_one_of(quant::BlockList<Blocks...>, DType dtype, const Visit& visit) {
  static_cast<void>((visit_if<Types, Blocks>(dtype, visit) || ...));
}

// Calls visit with a block of the type `dtype`; only the block's type matters, not its content. The kernel has code for
// the types of the list `Types` only.
template <typename Types = AllTypes, typename Visit>
__device__ inline void visit_block(DType dtype, const Visit& visit) {
  visit_one_of<Types>(quant::AllBlocks{}, dtype, visit);
}

}  // namespace gesso::cuda
