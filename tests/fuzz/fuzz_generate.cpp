// A libFuzzer target. For any bytes of a GGUF file, loading must succeed or throw FormatError, OutOfMemory for a size
// that the file states. A generation with a loaded model must end, in tokens of its vocabulary or in a documented
// error.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <span>

#include "gesso/error.h"
#include "gesso/model.h"

namespace {

// How often the library may ask before the target ends the call. It asks at least once per layer of a pass.
constexpr int kMaxPolls = 200;

// Generates a text from one token and continues it, as a program would.
void use(const gesso::Model& model, const std::function<bool()>& interrupted) {
  gesso::GenerationOptions options;
  options.max_new_tokens = 2;
  options.max_denoising_steps = 2;
  options.seeds = {7};
  options.interrupted = interrupted;
  gesso::Session session(model);
  session.generate({{0}}, options);
  const gesso::GenerationResult result = session.generate({{0, 1}}, options);
  for (const int32_t id : result.results[0].ids) {
    if (id < 0 || id >= model.config().vocab_size) std::abort();
  }
  if (model.tokenizer()) model.tokenizer()->decode(result.results[0].ids);
  session.rewind({1});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  int polls = 0;
  const std::function<bool()> interrupted = [&] { return ++polls > kMaxPolls; };
  try {
    const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data), size);
    const gesso::Checkpoint checkpoint = gesso::Checkpoint::parse(bytes, nullptr, interrupted);
    gesso::LoadOptions options{.device = "cpu", .num_threads = 1, .interrupted = interrupted};
    options.activations = (size & 1) ? "f32" : "int8";
    use(gesso::Model(checkpoint, options), interrupted);
  } catch (const gesso::FormatError&) {    // the file is broken
  } catch (const gesso::ArgumentError&) {  // the model's context is too short for two canvases, for example
  } catch (const gesso::NumericsError&) {  // weights are NaN, infinite or too large
  } catch (const gesso::OutOfMemory&) {    // the file states large sizes
  } catch (const gesso::Interrupted&) {    // the file states large sizes, too
  }
  return 0;
}
