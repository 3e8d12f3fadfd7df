// Measures single ops, whole denoising steps and whole generations.
#pragma once

#include <vector>

#include "ceilings.h"
#include "pass_ops.h"
#include "report.h"
#include "timer.h"

namespace gesso::bench {

// Measures each op on its own. The rows of one canvas stay in the L2 cache, as in a step. So an op that reads and
// writes nothing else can be faster than the bandwidth of memory allows.
void measure_ops(Pass& pass, const std::vector<PassOp>& ops, const Ceilings& ceilings, const TimerOptions& options,
                 Report& report);

// Measures a step as generations run it, and adds the least time that it could take: over all ops, the sum of the
// larger of bytes / bandwidth and operations / rate.
void measure_step(Pass& pass, const std::vector<PassOp>& ops, const Ceilings& ceilings, const TimerOptions& options,
                  Report& report);

// Measures generations from beginning to end by the host's clock: prompts of `num_prompt` tokens, and canvases of
// `num_steps` steps each.
void measure_generation(RandomModel& model, int64_t batch_size, int64_t num_prompt, int64_t num_canvases,
                        int64_t num_steps, Report& report);

}  // namespace gesso::bench
