// Eight threads use one session for some seconds: `session_stress 60`. Every call must either do its work or throw
// BusyError, and afterwards the session must write the text that it wrote before. At the end main() returns while
// another thread still generates. Sanitizers run this program, and the exit status says whether all was well.
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "gesso/model.h"
#include "tiny_checkpoint.h"

namespace {

using gesso::tests::TinyCheckpoint;
using gesso::tests::TinySizes;
using Ids = std::vector<int32_t>;

const Ids kPrompt = {5, 6, 7};
constexpr int kThreads = 8;

struct Counts {
  std::atomic<int64_t> done = 0, refused = 0, wrong = 0;
};

void expect(Counts& counts, bool holds, const char* what) {
  if (holds) return;
  if (++counts.wrong == 1) std::fprintf(stderr, "session_stress: %s\n", what);
}

gesso::GenerationOptions two_canvases() {
  gesso::GenerationOptions options;
  options.max_new_tokens = 2 * TinySizes().canvas;
  options.max_denoising_steps = 2;
  return options;
}

// What the session writes behind the prompt.
Ids text(gesso::Session& session) {
  session.rewind({0});
  return session.generate({kPrompt}, two_canvases()).results[0].ids;
}

// Makes call number `kind` of a session that any thread may have left in any state.
void call(gesso::Session& session, int kind, Counts& counts) {
  std::vector<float> logits;
  switch (kind) {
    case 0: {  // from its own callback every call must be refused
      gesso::GenerationOptions options = two_canvases();
      options.on_step = [&](const gesso::StepEvent&) {
        for (int inner = 1; inner < 11; ++inner) {
          try {
            call(session, inner, counts);
            expect(counts, false, "a callback got into its session");
          } catch (const gesso::BusyError&) {
          }
        }
        return true;
      };
      const gesso::GenerationResult result = session.generate({kPrompt}, options);
      expect(counts, !result.results[0].ids.empty() || !result.results[0].canvases.empty(),
             "a generation wrote nothing");
      return;
    }
    case 1:
      session.generate({kPrompt}, two_canvases());
      return;
    case 2:
      session.encode({kPrompt});
      return;
    case 3:
      session.rewind({0});
      return;
    case 4:
      logits.resize(TinySizes().canvas * TinySizes().vocab);
      session.denoise({Ids(TinySizes().canvas, 3)}, false, logits);
      return;
    case 5:
      for (const int32_t id : session.ids(0)) expect(counts, id >= 0 && id < TinySizes().vocab, "a wrong token");
      return;
    case 6:
      expect(counts, session.length(0) >= 0 && session.cache_bytes() >= 0, "a wrong length");
      return;
    case 7:
      session.collect_importance();
      session.importance();
      return;
    case 8:
      // The fork and the session share the cache, and both may write it at the same time.
      session.fork().generate({kPrompt}, two_canvases());
      return;
    case 9:
      session.save();
      return;
    default:
      session.set_profiling(true);
      session.take_profile();
      session.set_profiling(false);
  }
}

void attack(gesso::Session& session, int thread, const std::atomic<bool>& is_over, Counts& counts) {
  for (int kind = thread; !is_over; kind = (kind + 1) % 11) {
    try {
      call(session, kind, counts);
      ++counts.done;
    } catch (const gesso::BusyError&) {
      ++counts.refused;
    } catch (const gesso::ArgumentError&) {  // an empty session cannot denoise, and a full one cannot go on
      ++counts.done;
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 1.0;
  const gesso::Model model(TinyCheckpoint().get(), {"cpu", 2});
  gesso::Session session(model);
  const Ids before = text(session);
  Counts counts;
  std::atomic<bool> is_over = false;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] { attack(session, i, is_over, counts); });
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  is_over = true;
  for (std::thread& thread : threads) thread.join();
  expect(counts, text(session) == before, "the session writes another text than before");
  expect(counts, counts.done > 0 && counts.refused > 0, "no call was refused, or all were");

  static std::atomic<bool> has_begun = false;
  // It has a copy of the prompt, since main() destroys what is static here.
  std::thread forever([model, prompt = kPrompt] {
    while (true) {
      model.generate({prompt}, two_canvases());
      has_begun = true;
    }
  });
  forever.detach();
  while (!has_begun) std::this_thread::yield();
  std::printf("session_stress: %lld calls done, %lld refused\n", static_cast<long long>(counts.done),
              static_cast<long long>(counts.refused));
  return counts.wrong == 0 ? 0 : 1;
}
