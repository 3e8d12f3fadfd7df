// Measures how fast a model runs, and how fast this machine is at most. `gesso-bench --help` describes it.
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <new>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gesso/bench.h"
#include "gesso/log.h"
#include "gesso/model.h"
#include "gesso/random_checkpoint.h"
#include "gesso/version.h"

#if defined(__linux__) && defined(__GLIBC__)
// The C++ library that is linked in takes random numbers from here, where glibc 2.36 has built it. With a function of
// its own the program asks for glibc 2.35 only, which Ubuntu 22.04 has.
extern "C" __attribute__((visibility("hidden"))) uint32_t arc4random() noexcept {
  uint32_t number = 0;
  if (::getentropy(&number, sizeof number) != 0) std::abort();
  return number;
}
#endif

namespace {

constexpr int kFailed = 1, kWrongUsage = 2;

const char kHelp[] =
    R"(usage: gesso-bench MODEL.gguf [OPTIONS]
       gesso-bench --synthetic SIZES:TYPES[:LAYERS] [OPTIONS]

Measures how fast a model runs on this machine, what each part of a step takes, and what the machine can do at
most. It shows a table, and writes JSON for programs.

  --synthetic S:T[:N]   random weights, without a file. SIZES are 26b-a4b, or small, which is only for trying
                        things out; TYPES are Q4_K_M, Q8_0, Q4_0 or BF16; LAYERS takes the first layers only
  -o, --output FILE     write all records as JSON, anew after each one
  --parts LIST          any of ceilings, steps, ops, generations; default: ceilings,steps,ops
  --canvases LIST       how many sequences run together; default: 1
  --cached LIST         how many tokens stand before each canvas; default: 512
  --steps N             how many steps a canvas takes; default: 16
  --repetitions N       how often a canvas is measured; default: 5
  --ops LIST            only the ops whose names begin with one of these, for example expert_,attention
  --device NAME         cpu, cuda, cuda:1, or auto (the default): a GPU if there is one
  --threads N           how many threads compute on the CPU; 0 (the default): one per processor
  --activations NAME    how products round their inputs: int8, f32 (CPU) or bf16 (GPU); default: auto
  --copy-weights        on a GPU that shares the host's memory: give it a copy of the weights all the same
  --early-starts no     on GPUs from 9.0 on: no kernel starts before the one in front of it has ended
  --quick               as little as possible of everything, to see that it works; the times mean nothing
  --note KEY=TEXT       add a field to every record, for example --note driver=580.65; may be repeated

Times are those of all sequences together. A step has self-conditioning; the first one of each canvas, which has
none, is apart. A floor is the least time that the bytes and operations take at the measured ceilings.

  gesso-bench model.gguf
  gesso-bench --synthetic 26b-a4b:Q4_K_M -o result.json
  gesso-bench --synthetic 26b-a4b:Q8_0:6 --parts ceilings,ops --ops expert_ --device cpu
  gesso-bench model.gguf --canvases 1,8 --cached 1024,8192 --parts steps,generations
)";

using Clock = std::chrono::steady_clock;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

// What the command line says.

struct Arguments {
  std::string model, synthetic, output;
  std::vector<std::string> parts = {"ceilings", "steps", "ops"}, ops;
  std::vector<int64_t> canvases = {1}, cached = {512};
  int64_t steps = 16, repetitions = 5;
  gesso::LoadOptions loading;
  bool quick = false, early_starts = true, help = false;
  std::vector<std::pair<std::string, std::string>> notes;
  std::string command;

  bool has(std::string_view part) const { return std::ranges::find(parts, part) != parts.end(); }
};

int64_t whole_number(const std::string& flag, std::string_view text, int64_t least) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < least || number > 1 << 30) {
    throw gesso::ArgumentError(flag + ": expected a whole number from " + std::to_string(least) + " on, got \"" +
                               std::string(text) + "\"");
  }
  return number;
}

std::vector<std::string> split(const std::string& flag, std::string_view text, char separator) {
  std::vector<std::string> items(1);
  for (const char c : text) {
    if (c == separator) {
      items.emplace_back();
    } else {
      items.back() += c;
    }
  }
  for (const std::string& item : items) {
    if (item.empty()) throw gesso::ArgumentError(flag + ": there is an empty item in \"" + std::string(text) + "\"");
  }
  return items;
}

std::vector<int64_t> whole_numbers(const std::string& flag, const std::string& text) {
  std::vector<int64_t> numbers;
  for (const std::string& item : split(flag, text, ',')) numbers.push_back(whole_number(flag, item, 1));
  return numbers;
}

Arguments parse_arguments(std::span<char*> words) {
  Arguments arguments;
  const bool is_quick = std::ranges::find(words, std::string_view("--quick")) != words.end();
  if (is_quick) arguments.steps = 2, arguments.repetitions = 1;
  std::vector<std::string> positions;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string flag = words[i];
    arguments.command += " " + flag;
    const auto value = [&]() -> std::string {
      if (i + 1 == words.size()) throw gesso::ArgumentError(flag + " needs a value");
      arguments.command += std::string(" ") + words[i + 1];
      return words[++i];
    };
    const auto one_of = [&](const std::vector<std::string>& items, const std::vector<std::string>& known) {
      for (const std::string& item : items) {
        if (std::ranges::find(known, item) != known.end()) continue;
        std::string list;
        for (const std::string& each : known) list += (list.empty() ? "" : ", ") + each;
        throw gesso::ArgumentError(flag + ": expected one of " + list + ", got \"" + item + "\"");
      }
      return items;
    };
    if (flag == "--synthetic") {
      arguments.synthetic = value();
    } else if (flag == "-o" || flag == "--output") {
      arguments.output = value();
    } else if (flag == "--parts") {
      arguments.parts = one_of(split(flag, value(), ','), {"ceilings", "steps", "ops", "generations"});
    } else if (flag == "--canvases") {
      arguments.canvases = whole_numbers(flag, value());
    } else if (flag == "--cached") {
      arguments.cached = whole_numbers(flag, value());
    } else if (flag == "--steps") {
      arguments.steps = whole_number(flag, value(), 2);
    } else if (flag == "--repetitions") {
      arguments.repetitions = whole_number(flag, value(), 1);
    } else if (flag == "--ops") {
      arguments.ops = split(flag, value(), ',');
    } else if (flag == "--device") {
      arguments.loading.device = value();
    } else if (flag == "--threads") {
      arguments.loading.num_threads = static_cast<int>(whole_number(flag, value(), 0));
    } else if (flag == "--activations") {
      arguments.loading.activations = value();
    } else if (flag == "--copy-weights") {
      arguments.loading.copy_weights = true;
    } else if (flag == "--early-starts") {
      arguments.early_starts = one_of({value()}, {"yes", "no"})[0] == "yes";
    } else if (flag == "--quick") {
      arguments.quick = true;
    } else if (flag == "--note") {
      const std::string note = value();
      const size_t equals = note.find('=');
      if (equals == 0 || equals == std::string::npos) {
        throw gesso::ArgumentError("--note: expected KEY=TEXT, got \"" + note + "\"");
      }
      arguments.notes.emplace_back(note.substr(0, equals), note.substr(equals + 1));
    } else if (flag == "--help") {
      arguments.help = true;
    } else if (flag.starts_with("-")) {
      throw gesso::ArgumentError("there is no option " + flag + ", see --help");
    } else {
      positions.push_back(flag);
    }
  }
  if (arguments.help) return arguments;
  if (positions.size() + !arguments.synthetic.empty() != 1) {
    throw gesso::ArgumentError("usage: gesso-bench MODEL.gguf [OPTIONS], or --synthetic in place of MODEL.gguf");
  }
  if (!positions.empty()) arguments.model = positions[0];
  return arguments;
}

// Records, which are what the JSON has.

std::string json(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", c);
      out += escape;
    } else {
      out += c;
    }
  }
  return out + "\"";
}

// A JSON object, its fields in the order in which they were added. A number that is not finite is null.
class Record {
 public:
  Record& add(std::string_view key, std::string_view text) { return add_value(key, json(text)); }
  Record& add(std::string_view key, int64_t number) { return add_value(key, std::to_string(number)); }
  Record& add(std::string_view key, double number) {
    char text[32] = "null";
    if (std::isfinite(number)) std::snprintf(text, sizeof text, "%.6g", number);
    return add_value(key, text);
  }
  Record& add(const Record& other) {
    text_ += (text_.empty() || other.text_.empty() ? "" : ", ") + other.text_;
    return *this;
  }
  std::string to_json() const { return "{" + text_ + "}"; }

 private:
  Record& add_value(std::string_view key, const std::string& value) {
    text_ += (text_.empty() ? "" : ", ") + json(key) + ": " + value;
    return *this;
  }

  std::string text_;
};

// Writes the file anew with each record, so that whoever ends the program keeps what there is.
class Output {
 public:
  Output(std::string path, Record origin) : path_(std::move(path)), origin_(std::move(origin)) {
    // A mistyped name must not cost a model: only results are written over.
    if (std::filesystem::is_regular_file(path_) && std::filesystem::file_size(path_) > 0 &&
        std::ifstream(path_).get() != '[') {
      throw gesso::Error(path_ + ": exists and has no results of gesso-bench; it is not overwritten");
    }
    // A path that cannot be written must not cost the measurements.
    if (!path_.empty()) check_writable();
  }

  void add(Record record) {
    if (path_.empty()) return;
    text_ += (text_.empty() ? " " : ",\n ") + record.add(origin_).to_json();
    const std::string written = path_ + ".new";
    std::ofstream file(written);
    file << "[\n" << text_ << "\n]\n";
    file.close();
    if (!file || std::rename(written.c_str(), path_.c_str()) != 0) {
      throw gesso::Error(path_ + ": cannot be written");
    }
  }

 private:
  void check_writable() const {
    // A rename would put a file in place of a device: /dev/null, for example, would be gone for everybody.
    if (std::filesystem::exists(path_) && !std::filesystem::is_regular_file(path_)) {
      throw gesso::Error(path_ + ": cannot be written: expected a regular file");
    }
    if (!std::ofstream(path_ + ".new")) throw gesso::Error(path_ + ": cannot be written");
    std::filesystem::remove(path_ + ".new");
  }

  const std::string path_;
  const Record origin_;
  std::string text_;
};

// Whoever reads the table must not take a part of it for the whole.
template <typename... Values>
void show(const char* format, Values... values) {
  std::printf(format, values...);
  if (std::fflush(stdout) != 0) throw gesso::Error("the standard output cannot be written");
}

// The device that a model with these options will be on.
gesso::DeviceInfo find_device(const std::string& name) {
  const std::vector<gesso::DeviceInfo> devices = gesso::devices();
  const bool is_first_gpu = name == "cuda" || name == "auto";
  if (is_first_gpu && devices.size() > 1) return devices[1];
  const auto found = std::ranges::find(devices, name, &gesso::DeviceInfo::name);
  return found == devices.end() ? devices[0] : *found;  // a wrong name is refused when the model is made
}

gesso::Model make_model(const Arguments& arguments) {
  if (arguments.synthetic.empty()) return gesso::Model::load(arguments.model, arguments.loading);
  const std::vector<std::string> words = split("--synthetic", arguments.synthetic, ':');
  if (words.size() < 2 || words.size() > 3) {
    throw gesso::ArgumentError("--synthetic: expected SIZES:TYPES[:LAYERS], got \"" + arguments.synthetic + "\"");
  }
  gesso::RandomCheckpointOptions options;
  options.sizes = words[0];
  options.types = words[1];
  if (words.size() == 3) options.num_layers = whole_number("--synthetic", words[2], 1);
  options.num_threads = arguments.loading.num_threads;
  const gesso::DeviceInfo device = find_device(arguments.loading.device);
  options.overlaps = device.name != "cpu" && (!device.shares_host_memory || arguments.loading.copy_weights);
  return gesso::Model(gesso::random_checkpoint(options), arguments.loading);
}

// The least times of work.

class Floors {
 public:
  void measure(const Arguments& arguments, const gesso::Model& model, Output& output) {
    gesso::CeilingOptions options;
    options.num_threads = arguments.loading.num_threads;
    options.device = model.device();
    if (arguments.quick) options.bytes = 1 << 16, options.milliseconds = 0;
    show("\n%-24s%16s\n", "ceiling", "rate");
    for (const gesso::Ceiling& ceiling : gesso::measure_ceilings(options)) {
      const std::string name = (ceiling.instruction_set.empty() ? "" : ceiling.instruction_set + " ") + ceiling.name;
      Record record = Record().add("kind", "ceiling").add("name", name);
      if (ceiling.bytes_per_s > 0) {
        show("%-24s%11.1f GB/s\n", name.c_str(), ceiling.bytes_per_s / 1e9);
        output.add(record.add("gb_per_s", ceiling.bytes_per_s / 1e9));
      } else {
        show("%-24s%11.2f T/s\n", name.c_str(), ceiling.operations_per_s / 1e12);
        output.add(record.add("tera_per_s", ceiling.operations_per_s / 1e12));
      }
      double& best = rates_[ceiling.name];
      best = std::max({best, ceiling.bytes_per_s, ceiling.operations_per_s});
    }
    bytes_per_ms_ = std::max(rates_["copy"], rates_["read"]) / 1e3;
    // Products of floats are float32 on the CPU. A GPU makes bf16 of them.
    float_per_ms_ = rates_[model.device() == "cpu" ? "float32" : "bf16"] / 1e3;
    int8_per_ms_ = rates_["int8"] / 1e3;
  }

  // The machine moves bytes and computes at the same time. NaN if no ceilings were measured.
  double ms(const gesso::OpProfile& op, double bytes) const {
    if (bytes_per_ms_ == 0) return NAN;
    return std::max(bytes / bytes_per_ms_, op.float_operations / float_per_ms_ + op.int8_operations / int8_per_ms_);
  }

 private:
  std::map<std::string, double> rates_;
  double bytes_per_ms_ = 0, float_per_ms_ = 0, int8_per_ms_ = 0;
};

// Measurements of sequences that run together.

struct Spread {
  double p10 = 0, median = 0, p90 = 0;
  int64_t count = 0;

  explicit Spread(std::vector<double> samples) : count(static_cast<int64_t>(samples.size())) {
    if (samples.empty()) return;
    std::ranges::sort(samples);
    const auto quantile = [&](double share) {
      const double place = share * static_cast<double>(samples.size() - 1);
      const auto below = static_cast<size_t>(place);
      const size_t above = std::min(below + 1, samples.size() - 1);
      return samples[below] + (place - static_cast<double>(below)) * (samples[above] - samples[below]);
    };
    p10 = quantile(0.1), median = quantile(0.5), p90 = quantile(0.9);
  }
  // Of one of so many equal parts.
  Spread per(double parts) const {
    Spread part = *this;
    part.p10 /= parts, part.median /= parts, part.p90 /= parts;
    return part;
  }
  Record record() const {
    return Record().add("median_ms", median).add("p10_ms", p10).add("p90_ms", p90).add("num_samples", count);
  }
};

// An op in the steps that were profiled.
struct StepOp {
  gesso::OpProfile sum;             // of all these steps
  std::map<int64_t, double> ms_of;  // by step

  Spread spread() const {
    std::vector<double> samples;
    for (const auto& [step, ms] : ms_of) samples.push_back(ms);
    return Spread(samples);
  }
};

class Measurement {
 public:
  Measurement(const Arguments& arguments, const gesso::Model& model, const Floors& floors, Output& output,
              int64_t canvases, int64_t cached)
      : arguments_(arguments), model_(model), floors_(floors), output_(output), canvases_(canvases), cached_(cached) {}

  void run() {
    const bool has_steps = arguments_.has("steps"), has_ops = arguments_.has("ops");
    if (has_steps || has_ops) {
      gesso::Session session(model_, canvases_);
      const int64_t few = std::min(arguments_.steps, kFewSteps);
      // It reads the file and takes memory, and a GPU records steps.
      if (has_steps && !arguments_.quick) make_canvas(session, few, {});
      profile(session, has_ops ? arguments_.steps : few);
      if (has_steps) measure_steps(session);
      if (has_ops) show_ops();
    }
    if (arguments_.has("generations")) measure_generation();
  }

 private:
  static constexpr int64_t kFewSteps = 3;  // a GPU records a step the second time, and plays it back from then on

  Record record(std::string_view kind) const {
    return Record()
        .add("kind", kind)
        .add("rows", canvases_ * model_.config().canvas_length)
        .add("canvases", canvases_)
        .add("cached", cached_);
  }

  // Random tokens, without those that a prompt may not have.
  std::vector<std::vector<int32_t>> prompts() const {
    const gesso::ModelConfig& config = model_.config();
    const auto is_refused = [&](int32_t id) {
      return id == config.pad_token_id || std::ranges::count(config.placeholder_token_ids, id) > 0 ||
             std::ranges::count(config.generation.end_token_ids, id) > 0;
    };
    std::mt19937 random(0);
    std::vector<std::vector<int32_t>> prompts(canvases_);
    for (std::vector<int32_t>& prompt : prompts) {
      while (static_cast<int64_t>(prompt.size()) < cached_) {
        const auto id = static_cast<int32_t>(random() % config.vocab_size);
        if (!is_refused(id)) prompt.push_back(id);
      }
    }
    return prompts;
  }

  // A canvas cannot end early: no mean entropy is below 0, and there are no end tokens.
  gesso::GenerationOptions options(int64_t canvases_each, int64_t steps) const {
    gesso::GenerationOptions options;
    options.max_new_tokens = canvases_each * model_.config().canvas_length;
    options.max_denoising_steps = steps;
    options.confidence_threshold = 0.0f;
    options.end_token_ids.emplace();
    options.seeds.clear();
    for (int64_t i = 0; i < canvases_; ++i) options.seeds.push_back(i);
    return options;
  }

  struct Times {
    double encode_ms = 0, commit_ms = 0;
    std::vector<double> step_ms;  // the first one has no self-conditioning
  };
  // Encodes prompts, takes the steps of one canvas each and encodes what comes out. A pass may have room for only some
  // of the canvases. Then a step of all of them is several passes, which do not follow each other.
  Times make_canvas(gesso::Session& session, int64_t steps, std::function<bool(const gesso::StepEvent&)> on_step) {
    Times times;
    times.step_ms.resize(steps);
    session.rewind({0});
    Clock::time_point start = Clock::now();
    session.encode(prompts_);
    times.encode_ms = ms_since(start);
    gesso::GenerationOptions generation = options(1, steps);
    generation.on_step = std::move(on_step);
    const std::vector<double> passes = session.generate({}, generation).timings.step_ms;
    for (size_t i = 0; i < passes.size(); ++i) times.step_ms[i % steps] += passes[i];
    start = Clock::now();
    session.encode(std::vector<std::vector<int32_t>>(canvases_));
    times.commit_ms = ms_since(start);
    return times;
  }

  void profile(gesso::Session& session, int64_t steps) {
    int64_t passes = 0;
    session.set_profiling(true);
    make_canvas(session, steps, [&](const gesso::StepEvent&) {
      const std::vector<gesso::OpProfile> ops = session.take_profile();
      if (ops.empty()) return true;  // the pass of several canvases has an event for each, and the first one took all
      const int64_t step = passes++ % steps;
      if (step > 0) add(ops, step);
      return true;
    });
    session.set_profiling(false);
    num_profiled_ = steps - 1;
  }

  void add(const std::vector<gesso::OpProfile>& ops, int64_t step) {
    for (const gesso::OpProfile& op : ops) {
      StepOp& found = ops_[op.op + (op.weight.empty() ? "" : " ") + op.weight];
      gesso::OpProfile& sum = found.sum;
      sum.types = op.types;
      if (sum.plan.find(op.plan) == std::string::npos) sum.plan += (sum.plan.empty() ? "" : "; ") + op.plan;
      sum.calls += op.calls;
      sum.stored_bytes += op.stored_bytes;
      sum.activation_bytes += op.activation_bytes;
      sum.float_operations += op.float_operations;
      sum.int8_operations += op.int8_operations;
      found.ms_of[step] += op.ms;
    }
  }

  void measure_steps(gesso::Session& session) {
    std::vector<double> encode_ms, first_ms, step_ms, commit_ms;
    double entropy = 0;
    for (int64_t i = 0; i < arguments_.repetitions; ++i) {
      const auto keep_entropy = [&](const gesso::StepEvent& event) {
        if (event.step > 0) {
          entropy += event.mean_entropy / static_cast<double>(canvases_ * (arguments_.steps - 1));
        }
        return true;
      };
      const Times times =
          i == 0 ? make_canvas(session, arguments_.steps, keep_entropy) : make_canvas(session, arguments_.steps, {});
      encode_ms.push_back(times.encode_ms);
      first_ms.push_back(times.step_ms[0]);
      step_ms.insert(step_ms.end(), times.step_ms.begin() + 1, times.step_ms.end());
      commit_ms.push_back(times.commit_ms);
    }
    double stored_bytes = 0, operations = 0, floor_ms = 0;
    for (const auto& [name, op] : ops_) {
      stored_bytes += op.sum.stored_bytes / num_profiled_;
      operations += (op.sum.float_operations + op.sum.int8_operations) / num_profiled_;
      floor_ms += floors_.ms(op.sum, op.sum.stored_bytes) / num_profiled_;
    }
    show_heading();
    const auto tokens = static_cast<double>(canvases_ * cached_);
    const Spread encode(encode_ms), first(first_ms), step(step_ms), commit(commit_ms);
    show_times("encode", encode, NAN);
    output_.add(record("encode").add(encode.record()).add("tokens_per_s", 1000 * tokens / encode.median));
    show_times("first step", first, NAN);
    output_.add(record("first_step").add(first.record()));
    show_times("step", step, floor_ms);
    output_.add(record("step")
                    .add(step.record())
                    .add("stored_bytes", stored_bytes)
                    .add("operations", operations)
                    .add("mean_entropy", entropy)
                    .add("floor_ms", floor_ms)
                    .add("share_of_floor", floor_ms / step.median));
    show_times("commit", commit, NAN);
    output_.add(record("commit").add(commit.record()));
  }

  void show_heading() const {
    show("\n%-10s%8s  %-14s%12s%12s%12s%12s\n", "canvases", "cached", "what", "median ms", "p10", "p90", "of floor");
  }

  void show_times(const char* what, const Spread& spread, double floor_ms) const {
    show("%-10lld%8lld  %-14s%12.3f%12.3f%12.3f", static_cast<long long>(canvases_), static_cast<long long>(cached_),
         what, spread.median, spread.p10, spread.p90);
    show(std::isnan(floor_ms) ? "\n" : "%11.0f%%\n", 100 * floor_ms / spread.median);
  }

  void show_ops() {
    const auto is_wanted = [&](const std::string& name) {
      return arguments_.ops.empty() || std::ranges::any_of(arguments_.ops, [&](const std::string& beginning) {
               return name.starts_with(beginning);
             });
    };
    std::vector<std::pair<std::string, const StepOp*>> wanted;
    for (const auto& [name, op] : ops_) {
      if (is_wanted(name)) wanted.emplace_back(name, &op);
    }
    if (wanted.empty()) {
      std::string names;
      for (const auto& [name, op] : ops_) names += (names.empty() ? "" : ", ") + name;
      throw gesso::ArgumentError("--ops: no op of a step begins so; there are " + names);
    }
    std::ranges::sort(
        wanted, [](const auto& a, const auto& b) { return a.second->spread().median > b.second->spread().median; });
    show("\n%-42s%7s%12s%9s%9s%10s\n", "op of a step", "calls", "ms a step", "GB/s", "T/s", "of floor");
    for (const auto& [name, op] : wanted) show_op(name, *op);
  }

  void show_op(const std::string& name, const StepOp& op) {
    const gesso::OpProfile& sum = op.sum;
    const auto calls = static_cast<double>(sum.calls);
    const double calls_per_step = calls / static_cast<double>(num_profiled_);
    const Spread spread = op.spread().per(calls_per_step);
    const double bytes = (sum.stored_bytes + sum.activation_bytes) / calls;
    const double operations = (sum.float_operations + sum.int8_operations) / calls;
    const double share = floors_.ms(sum, sum.stored_bytes + sum.activation_bytes) / calls / spread.median;
    show("%-42s%7.0f%12.3f%9.1f%9.3f", name.c_str(), calls_per_step, spread.median * calls_per_step,
         bytes / spread.median / 1e6, operations / spread.median / 1e9);
    show(std::isnan(share) ? "\n" : "%9.0f%%\n", 100 * share);
    output_.add(record("op")
                    .add("op", name)
                    .add("types", sum.types)
                    .add("plan", sum.plan)
                    .add("calls_per_step", calls_per_step)
                    .add(spread.record())
                    .add("bytes", bytes)
                    .add("operations", operations)
                    .add("share_of_floor", share));
  }

  // Whole texts by the host's clock.
  void measure_generation() {
    constexpr int64_t kCanvasesEach = 2;
    gesso::GenerationResult result;
    for (int run = 0; run < 2; ++run) {  // the first one takes memory and records steps
      gesso::Session session(model_, canvases_);
      result = session.generate(prompts_, options(kCanvasesEach, arguments_.steps));
    }
    const gesso::Timings& timings = result.timings;
    const auto tokens = static_cast<double>(canvases_ * kCanvasesEach * model_.config().canvas_length);
    const auto steps = static_cast<double>(kCanvasesEach * arguments_.steps);
    const double tokens_per_s = 1000 * tokens / (timings.denoise_ms + timings.encode_ms);
    show("\n%lld canvases behind %lld tokens, %lld steps each: %.2f tokens/s, first canvas after %.1f ms\n",
         static_cast<long long>(canvases_ * kCanvasesEach), static_cast<long long>(cached_),
         static_cast<long long>(arguments_.steps), tokens_per_s, timings.first_canvas_ms);
    output_.add(Record()
                    .add("kind", "generation")
                    .add("batch", canvases_)
                    .add("prompt_tokens", cached_)
                    .add("canvases", kCanvasesEach)
                    .add("steps_per_canvas", arguments_.steps)
                    .add("ms_per_step", timings.denoise_ms / steps)
                    .add("encode_ms", timings.encode_ms)
                    .add("first_canvas_ms", timings.first_canvas_ms)
                    .add("tokens_per_s", tokens_per_s)
                    .add("allocated_bytes", find_device(model_.device()).used_bytes));
  }

  const Arguments& arguments_;
  const gesso::Model& model_;
  const Floors& floors_;
  Output& output_;
  const int64_t canvases_, cached_;
  const std::vector<std::vector<int32_t>> prompts_ = prompts();
  std::map<std::string, StepOp> ops_;
  int64_t num_profiled_ = 1;
};

Record origin(const Arguments& arguments, const gesso::Model& model, const std::string& name) {
  const gesso::DeviceInfo device = find_device(model.device());
  Record record;
  record.add("gesso_version", std::to_string(GESSO_VERSION_MAJOR) + "." + std::to_string(GESSO_VERSION_MINOR) + "." +
                                  std::to_string(GESSO_VERSION_PATCH));
  record.add("device", device.description.empty() ? device.name : device.description);
  if (device.arch > 0) {
    record.add("compute_capability", std::to_string(device.arch / 10) + "." + std::to_string(device.arch % 10));
    record.add("early_starts", arguments.early_starts ? "yes" : "no");
  } else {
    record.add("int8_kernels", gesso::int8_kernels_name());
  }
  record.add("model", name)
      .add("num_layers", model.config().num_hidden_layers)
      .add("weight_bytes", model.weight_bytes())
      .add("activations", model.activations())
      .add("num_threads", static_cast<int64_t>(model.num_threads()));
  for (const auto& [key, text] : arguments.notes) record.add(key, text);
  return record.add("command", "gesso-bench" + arguments.command);
}

void run(const Arguments& arguments) {
  gesso::set_early_starts(arguments.early_starts);
  gesso::set_log_callback(
      [](gesso::LogLevel, const std::string& message) {
        std::fprintf(stderr, "gesso-bench: warning: %s\n", message.c_str());
      },
      gesso::LogLevel::kWarning);
  const gesso::Model model = make_model(arguments);
  const std::string name =
      arguments.synthetic.empty() ? std::filesystem::path(arguments.model).filename().string() : arguments.synthetic;
  const gesso::DeviceInfo device = find_device(model.device());
  show("%s, %lld layers, %.3f GB; %s%s%s, %d threads, %s activations\n", name.c_str(),
       static_cast<long long>(model.config().num_hidden_layers), static_cast<double>(model.weight_bytes()) / 1e9,
       device.name.c_str(), device.description.empty() ? "" : " ", device.description.c_str(), model.num_threads(),
       model.activations().c_str());
  Output output(arguments.output, origin(arguments, model, name));
  const int64_t most_cached = model.config().max_position_embeddings - model.config().canvas_length;
  for (const int64_t cached : arguments.cached) {
    if (cached <= most_cached) continue;
    throw gesso::ArgumentError("--cached: expected at most " + std::to_string(most_cached) +
                               ", since a canvas must fit the model's context, too, got " + std::to_string(cached));
  }
  Floors floors;
  if (arguments.has("ceilings")) floors.measure(arguments, model, output);
  for (const int64_t canvases : arguments.canvases) {
    for (const int64_t cached : arguments.cached) {
      Measurement(arguments, model, floors, output, canvases, cached).run();
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Arguments arguments = parse_arguments(std::span(argv, argc).subspan(1));
    if (arguments.help) {
      show("%s", kHelp);
    } else {
      run(arguments);
    }
    return 0;
  } catch (const gesso::ArgumentError& error) {
    std::fprintf(stderr, "gesso-bench: %s\n", error.what());
    return kWrongUsage;
  } catch (const std::bad_alloc&) {
    std::fprintf(stderr, "gesso-bench: out of memory\n");
    return kFailed;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gesso-bench: %s\n", error.what());
    return kFailed;
  }
}
