#include "engine/generate.h"

#include <algorithm>
#include <deque>
#include <limits>

#include "engine/loop.h"
#include "ops/memory.h"

namespace gesso::engine {
namespace {

void add(Timings& timings, const PassReport& report) {
  if (report.canvases == 0) {
    timings.encode_ms += report.ms;
    return;
  }
  timings.denoise_ms += report.ms;
  timings.step_ms.push_back(report.ms);
  ++timings.steps;
}

}  // namespace

GenerationResult generate(const model::PassContext& pass, std::span<model::Sequence> sequences,
                          const GenerationOptions& options, const std::optional<Tokenizer>& tokenizer) {
  const Clock::time_point start = Clock::now();
  const diffusion::ResolvedOptions resolved =
      diffusion::resolve_options(options, pass.config, std::ssize(sequences), tokenizer);
  std::deque<Job> jobs;
  for (model::Sequence& sequence : sequences) {
    jobs.emplace_back(diffusion::Generation(pass.config, options, resolved, sequence, std::ssize(jobs)));
  }
  Loop loop(pass, std::ssize(sequences), std::numeric_limits<int64_t>::max());
  const ops::WaitAtEnd wait(pass.context);
  for (Job& job : jobs) loop.add(job);

  GenerationResult result;
  while (!loop.is_idle()) {
    const PassReport report = loop.run_pass();
    if (report.was_interrupted) throw Interrupted();
    for (const Job* job : report.ended) {
      if (job->error) std::rethrow_exception(job->error);
    }
    if (!report.committed.empty() && result.timings.first_canvas_ms == 0) {
      result.timings.first_canvas_ms = std::chrono::duration<double, std::milli>(Clock::now() - start).count();
    }
    add(result.timings, report);
    result.stopped = std::any_of(jobs.begin(), jobs.end(), [](const Job& job) { return job.generation.is_stopped(); });
    if (!result.stopped) continue;
    for (const Job* job : loop.stop()) {
      if (job->error) std::rethrow_exception(job->error);
    }
  }
  for (Job& job : jobs) result.results.push_back(std::move(job.generation.result()));
  return result;
}

}  // namespace gesso::engine
