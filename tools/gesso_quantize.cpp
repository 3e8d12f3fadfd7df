// Makes a smaller file of a model. `gesso-quantize --help` describes it.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <charconv>
#include <cstdio>
#include <exception>
#include <iostream>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "gesso/error.h"
#include "gesso/presets.h"
#include "gesso/quantize_file.h"

namespace {

constexpr int kFailed = 1, kWrongUsage = 2, kSignal = 128;
constexpr char kUsage[] = "usage: gesso-quantize IN.gguf OUT.gguf PRESET [OPTIONS]";

std::atomic<int> stopped_by = 0;  // the signal that ends the program; 0 if there was none

struct Arguments {
  std::string source, target, preset;
  bool help = false;
  gesso::QuantizeFileOptions options;
};

std::string preset_names() {
  std::string names;
  for (const gesso::Preset& preset : gesso::presets()) names += (names.empty() ? "" : ", ") + preset.name;
  return names;
}

void print_help() {
  std::cout
      << kUsage
      << "\n\n"
         "Writes a model to a new GGUF file in which the weights have other types, for example 4 bits each instead\n"
         "of 16. IN is best in F32, F16 or BF16; of a split file it is any part. OUT gets its name only when it is\n"
         "complete. PRESET is one of\n"
         "  "
      << preset_names()
      << "\n\n"
         "  --threads N            how many threads compute; 0 (the default): one per processor\n"
         "  --imatrix FILE         an importance matrix: columns that matter more are rounded with more care\n"
         "  --no-mmap              read IN into memory instead of mapping it\n"
         "  --dry-run              write no file, only print what it would hold\n"
         "  --                     what follows is no option, also if it begins with a dash\n\n"
         "`gesso quantize` of the Python package writes the same bytes. It also reads Hugging Face folders, and\n"
         "has types for single tensors.\n";
}

int parse_threads(const std::string& text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) return number;
  throw gesso::ArgumentError("--threads: expected a number, got \"" + text + "\"");
}

Arguments parse_arguments(std::span<char*> words) {
  Arguments arguments;
  std::vector<std::string> positions;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string flag = words[i];
    const auto value = [&]() -> std::string {
      if (i + 1 == words.size()) throw gesso::ArgumentError(flag + " needs a value");
      return words[++i];
    };
    if (flag == "--threads") {
      arguments.options.num_threads = parse_threads(value());
    } else if (flag == "--imatrix") {
      arguments.options.imatrix = value();
    } else if (flag == "--no-mmap") {
      arguments.options.mmap = false;
    } else if (flag == "--dry-run") {
      arguments.options.dry_run = true;
    } else if (flag == "--help") {
      arguments.help = true;
    } else if (flag == "--") {
      positions.insert(positions.end(), words.begin() + i + 1, words.end());
      break;
    } else if (flag.starts_with("-")) {
      throw gesso::ArgumentError("there is no option " + flag + ", see --help");
    } else {
      positions.push_back(flag);
    }
  }
  if (arguments.help) return arguments;
  if (positions.size() != 3) throw gesso::ArgumentError(kUsage);
  arguments.source = positions[0];
  arguments.target = positions[1];
  arguments.preset = positions[2];
  std::transform(arguments.preset.begin(), arguments.preset.end(), arguments.preset.begin(),
                 [](unsigned char c) { return std::toupper(c); });
  return arguments;
}

std::string show_bytes(uint64_t count) {
  const char* unit = "B";
  auto number = static_cast<double>(count);
  for (const char* larger : {"kB", "MB", "GB"}) {
    if (number < 1000) break;
    number /= 1000;
    unit = larger;
  }
  char text[32];
  std::snprintf(text, sizeof text, "%.*f %s", number < static_cast<double>(count) ? 1 : 0, number, unit);
  return text;
}

// One line on a terminal, which is drawn anew.
class Progress {
 public:
  ~Progress() { clear(); }
  void show(uint64_t done, uint64_t total, const std::string& tensor) {
    if (!is_terminal_) return;
    std::cerr << "\r\x1b[K" << 100 * done / std::max<uint64_t>(total, 1) << " %  " << show_bytes(done) << " of "
              << show_bytes(total) << "  " << tensor.substr(0, 40) << std::flush;
    is_shown_ = true;
  }
  void clear() {
    if (is_shown_) std::cerr << "\r\x1b[K";
    is_shown_ = false;
  }

 private:
  const bool is_terminal_ = isatty(STDERR_FILENO);
  bool is_shown_ = false;
};

bool is_float(const std::string& type) { return type.empty() || type == "F32" || type == "F16" || type == "BF16"; }

void warn(const std::string& text) { std::cerr << "gesso-quantize: warning: " << text << "\n"; }

void print_warnings(const gesso::QuantizedFile& file, bool has_importance) {
  std::set<std::string> rounded_twice;
  int64_t matrices = 0, missing = 0;
  for (const gesso::QuantizedTensor& each : file.tensors) {
    const std::string& type = each.tensor.type;
    if (!is_float(each.source_type) && type != each.source_type && type != "F32") {
      rounded_twice.insert(each.source_type);
    }
    // The embedding never has importance.
    if (type != each.source_type && !is_float(type) && each.tensor.name != "token_embd.weight") {
      ++matrices;
      missing += !each.has_importance;
    }
  }
  for (const std::string& type : rounded_twice) {
    warn(type + " values are rounded a second time; a source in BF16 gives a better file");
  }
  if (has_importance && missing > 0) {
    warn("the importance matrix has nothing about " + std::to_string(missing) + " of " + std::to_string(matrices) +
         " matrices");
  }
  for (const gesso::QuantizedTensor& each : file.tensors) {
    if (each.num_not_finite > 0) {
      warn(each.tensor.name + ": " + std::to_string(each.num_not_finite) + " values are NaN or infinite");
    }
  }
}

void print_tensors(const gesso::QuantizedFile& file) {
  for (const gesso::QuantizedTensor& each : file.tensors) {
    std::string shape;
    for (const int64_t extent : each.tensor.shape) shape += (shape.empty() ? "" : ", ") + std::to_string(extent);
    const bool is_changed = !each.source_type.empty() && each.source_type != each.tensor.type;
    std::cout << each.tensor.name << "  [" << shape << "]  " << (is_changed ? each.source_type + " -> " : "")
              << each.tensor.type << "  " << show_bytes(each.num_bytes) << "\n";
  }
}

void print_summary(const std::string& target, const gesso::QuantizedFile& file) {
  double weights = 0;
  for (const gesso::QuantizedTensor& each : file.tensors) {
    double elements = 1;
    for (const int64_t extent : each.tensor.shape) elements *= static_cast<double>(extent);
    weights += elements;
  }
  char bits[32];
  std::snprintf(bits, sizeof bits, "%.2f", 8 * static_cast<double>(file.num_bytes) / weights);
  std::cout << target << ": " << show_bytes(file.source_bytes) << " -> " << show_bytes(file.num_bytes) << ", " << bits
            << " bits per weight\n";
}

int run(std::span<char*> words) {
  Arguments arguments = parse_arguments(words);
  if (arguments.help) {
    print_help();
  } else {
    Progress progress;
    gesso::QuantizeFileOptions& options = arguments.options;
    options.progress = [&](uint64_t done, uint64_t total, const std::string& tensor) {
      progress.show(done, total, tensor);
    };
    options.interrupted = [] { return stopped_by != 0; };
    const gesso::QuantizedFile file =
        gesso::quantize_file(arguments.source, arguments.target, arguments.preset, options);
    progress.clear();
    print_warnings(file, !options.imatrix.empty());
    if (options.dry_run) print_tensors(file);
    print_summary(arguments.target, file);
  }
  if (!(std::cout << std::flush)) throw gesso::Error("the standard output cannot be written");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  struct sigaction action {};
  action.sa_handler = [](int number) { stopped_by = number; };
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  try {
    return run({argv + 1, static_cast<size_t>(std::max(argc - 1, 0))});
  } catch (const gesso::Interrupted&) {
    return kSignal + stopped_by;
  } catch (const gesso::ArgumentError& error) {
    std::cerr << "gesso-quantize: " << error.what() << "\n";
    return kWrongUsage;
  } catch (const std::exception& error) {
    std::cerr << "gesso-quantize: " << error.what() << "\n";
    return kFailed;
  }
}
