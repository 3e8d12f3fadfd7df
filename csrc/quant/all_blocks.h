// Every format that gesso can compute with. This is the only list of them: to add a format, write its header and add
// its block here. Where a format must be named once more (a GPU kernel's decoder), a static_assert compares with this
// list, so that a format which is forgotten there does not compile.
#pragma once

#include "quant/blocks/bf16.h"
#include "quant/blocks/f16.h"
#include "quant/blocks/f32.h"
#include "quant/blocks/iq4_nl.h"
#include "quant/blocks/mxfp4.h"
#include "quant/blocks/nvfp4.h"
#include "quant/blocks/q1_0.h"
#include "quant/blocks/q2_0.h"
#include "quant/blocks/q4_0.h"
#include "quant/blocks/q4_1.h"
#include "quant/blocks/q5_0.h"
#include "quant/blocks/q5_1.h"
#include "quant/blocks/q8_0.h"
#include "quant/codebooks/iq1_m.h"
#include "quant/codebooks/iq1_s.h"
#include "quant/codebooks/iq2_s.h"
#include "quant/codebooks/iq2_xs.h"
#include "quant/codebooks/iq2_xxs.h"
#include "quant/codebooks/iq3_s.h"
#include "quant/codebooks/iq3_xxs.h"
#include "quant/super_blocks/iq4_xs.h"
#include "quant/super_blocks/q2_k.h"
#include "quant/super_blocks/q3_k.h"
#include "quant/super_blocks/q4_k.h"
#include "quant/super_blocks/q5_k.h"
#include "quant/super_blocks/q6_k.h"
#include "quant/super_blocks/tq1_0.h"
#include "quant/super_blocks/tq2_0.h"

namespace gesso::quant {

// A list of types, handed to functions as a value: BlockList<BlockF32, BlockF16>{}.
template <typename... Blocks>
struct BlockList {};

// In the order in which messages name them.
using AllBlocks = BlockList<BlockF32, BlockF16, BlockBF16, BlockQ8_0, BlockQ4_0, BlockQ4_1, BlockQ5_0, BlockQ5_1,
                            BlockQ2_K, BlockQ3_K, BlockQ4_K, BlockQ5_K, BlockQ6_K, BlockIQ2_XXS, BlockIQ2_XS,
                            BlockIQ3_XXS, BlockIQ1_S, BlockIQ4_NL, BlockIQ3_S, BlockIQ2_S, BlockIQ4_XS, BlockIQ1_M,
                            BlockTQ1_0, BlockTQ2_0, BlockMXFP4, BlockNVFP4, BlockQ1_0, BlockQ2_0>;

}  // namespace gesso::quant
