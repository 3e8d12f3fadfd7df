// Whole denoising steps and whole generations.
#pragma once

#include <vector>

#include "ceilings.h"
#include "pass_ops.h"
#include "report.h"
#include "timer.h"

namespace gesso::bench {

// Each op by itself. The activations of one canvas stay in the L2 cache, as in a step: ops that touch nothing else can
// come out above the bandwidth of memory.
void measure_ops(Pass& pass, const std::vector<PassOp>& ops, const Ceilings& ceilings, const TimerOptions& options,
                 Report& report);

// A step as generations run it, and the least time that its weights, keys, values and products could take: the sum over
// its ops of the larger of bytes over bandwidth and operations over rate.
void measure_step(Pass& pass, const std::vector<PassOp>& ops, const Ceilings& ceilings, const TimerOptions& options,
                  Report& report);

// End to end on the host's clock: prompts of `num_prompt` tokens, canvases of `num_steps` steps each.
void measure_generation(BenchModel& model, int64_t batch_size, int64_t num_prompt, int64_t num_canvases,
                        int64_t num_steps, Report& report);

}  // namespace gesso::bench
