// Answers one prompt, or holds a conversation on a terminal. `gesso-cli --help` describes it.
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gesso/log.h"
#include "gesso/model.h"
#include "gesso/options.h"

namespace {

constexpr int kFailed = 1, kWrongUsage = 2, kInterrupted = 130;

// How often Ctrl-C was pressed since the last turn began.
std::atomic<int> interrupts = 0;
// Whether --json was given. Then errors are events, too.
bool writes_json = false;

struct Arguments {
  std::string model, load, save, system;
  std::optional<std::string> prompt;
  bool raw = false, thinks = false, json = false, help = false;
  gesso::LogLevel log = gesso::LogLevel::kWarning;
  gesso::LoadOptions loading;
  gesso::GenerationOptions generation;
};

void print_help() {
  std::cout
      << "usage: gesso-cli MODEL [PROMPT] [OPTIONS]\n\n"
         "Writes what the model of a GGUF file says to a prompt. Without PROMPT, each line on a terminal is a turn\n"
         "of a conversation, and anything else on the standard input is one prompt. Ctrl-C stops an answer.\n\n"
         "A prompt is a turn in the form of the model's chat template; marks that are written out in it are text.\n"
         "With --raw, and without a chat template, the model gets a text as it is, and marks count as such. A\n"
         "template that is none of the published ones is refused without --raw: gesso-cli cannot run it.\n\n"
         "  --raw                  no chat template\n"
         "  --system TEXT          what the model is told before the conversation\n"
         "  --think                let the model think before it answers\n"
         "  --load FILE            continue from a saved state\n"
         "  --save FILE            save the state at the end, for --load with the same model\n"
         "  --json                 write a JSON object per line: a step, a canvas, the end of an answer, or an error\n"
         "  --device NAME          cpu, cuda, cuda:1, or auto (the default): a GPU if there is one\n"
         "  --threads N            how many threads compute; 0 (the default): one per processor\n"
         "  --log LEVEL            say on standard error what happens: warning (the default), info, or debug\n"
         "  --                     what follows is no option, also if it begins with a dash\n";
  for (const gesso::OptionInfo& option : gesso::generation_options()) {
    if (option.flag.empty()) continue;
    const std::string name = "  --" + option.flag + (option.kind == gesso::OptionKind::kFloat ? " X" : " N");
    std::cout << name << std::string(name.size() < 25 ? 25 - name.size() : 1, ' ') << option.help << "\n";
  }
}

template <class Number>
Number parse(const std::string& flag, const std::string& text, const std::string& expected) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    throw gesso::ArgumentError(flag + ": expected " + expected + ", got \"" + text + "\"");
  }
  return number;
}

// The library would check the bounds, too, but it knows nothing of flags.
template <class Number>
Number parse_within(const gesso::OptionInfo& option, const std::string& flag, const std::string& text) {
  const auto number = parse<Number>(flag, text, option.expected);
  const auto given = static_cast<double>(number);
  const bool fits = given >= option.least && given <= option.most && !(option.excludes_least && given == option.least);
  if (!fits) throw gesso::ArgumentError(flag + ": expected " + option.expected + ", got " + text);
  return number;
}

gesso::OptionValue parse_value(const gesso::OptionInfo& option, const std::string& flag, const std::string& text) {
  if (option.kind == gesso::OptionKind::kFloat) return parse_within<double>(option, flag, text);
  if (option.kind == gesso::OptionKind::kSeeds) {
    return std::vector<uint64_t>{parse<uint64_t>(flag, text, "an integer from 0 to 18446744073709551615")};
  }
  return parse_within<int64_t>(option, flag, text);
}

gesso::LogLevel parse_level(const std::string& text) {
  if (text == "debug") return gesso::LogLevel::kDebug;
  if (text == "info") return gesso::LogLevel::kInfo;
  if (text == "warning") return gesso::LogLevel::kWarning;
  throw gesso::ArgumentError("--log: expected debug, info or warning, got \"" + text + "\"");
}

Arguments parse_arguments(std::span<char*> words) {
  Arguments arguments;
  std::vector<std::string> positions;
  const std::vector<gesso::OptionInfo> options = gesso::generation_options();
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string flag = words[i];
    const auto value = [&]() -> std::string {
      if (i + 1 == words.size()) throw gesso::ArgumentError(flag + " needs a value");
      return words[++i];
    };
    const auto option = std::find_if(options.begin(), options.end(), [&](const gesso::OptionInfo& info) {
      return !info.flag.empty() && flag == "--" + info.flag;
    });
    if (option != options.end()) {
      gesso::set_option(arguments.generation, option->name, parse_value(*option, flag, value()));
    } else if (flag == "--load") {
      arguments.load = value();
    } else if (flag == "--save") {
      arguments.save = value();
    } else if (flag == "--device") {
      arguments.loading.device = value();
    } else if (flag == "--log") {
      arguments.log = parse_level(value());
    } else if (flag == "--threads") {
      arguments.loading.num_threads = parse<int>(flag, value(), "a number of threads");
    } else if (flag == "--system") {
      arguments.system = value();
    } else if (flag == "--raw") {
      arguments.raw = true;
    } else if (flag == "--think") {
      arguments.thinks = true;
    } else if (flag == "--json") {
      arguments.json = true;
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
  if (positions.empty()) throw gesso::ArgumentError("usage: gesso-cli MODEL [PROMPT] [OPTIONS]");
  if (positions.size() > 2) {
    throw gesso::ArgumentError("expected MODEL and at most one PROMPT, got \"" + positions[2] +
                               "\", too; a prompt of several words needs quotes");
  }
  arguments.model = positions[0];
  if (positions.size() == 2) arguments.prompt = positions[1];
  return arguments;
}

// Whoever reads the output must not take a part of it for the whole.
void write(std::string_view text) {
  if (!(std::cout << text << std::flush)) throw gesso::Error("the standard output cannot be written");
}

// The length of the UTF-8 sequence that the text begins with; 0 if its bytes are none.
size_t sequence_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const size_t length = first < 0x80   ? 1
                        : first < 0xC2 ? 0
                        : first < 0xE0 ? 2
                        : first < 0xF0 ? 3
                        : first < 0xF5 ? 4
                                       : 0;
  if (length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
  }
  const bool is_too_long = (first == 0xE0 && byte(1) < 0xA0) || (first == 0xF0 && byte(1) < 0x90);
  const bool is_no_character = (first == 0xED && byte(1) > 0x9F) || (first == 0xF4 && byte(1) > 0x8F);
  return is_too_long || is_no_character ? 0 : length;
}

// What is no UTF-8, as a path in an error may be, becomes U+FFFD.
std::string json(std::string_view text) {
  std::string out = "\"";
  for (size_t i = 0, length = 1; i < text.size(); i += std::max<size_t>(length, 1)) {
    const char c = text[i];
    length = sequence_length(text.substr(i));
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", c);
      out += escape;
    } else {
      out += length == 0 ? "\xEF\xBF\xBD" : text.substr(i, length);
    }
  }
  return out + "\"";
}

// Takes a reply apart as it comes. A thought stands between the tokens "<|channel>" and "<channel|>".
class Parts {
 public:
  explicit Parts(const gesso::Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  std::vector<int32_t> thought, text;  // what the last push has brought
  void push(std::span<const int32_t> ids) {
    thought.clear();
    text.clear();
    for (const int32_t id : ids) {
      if (tokenizer_.token(id) == "<|channel>") is_thought_ = true;
      (is_thought_ ? thought : text).push_back(id);
      if (tokenizer_.token(id) == "<channel|>") is_thought_ = false;
    }
  }

 private:
  const gesso::Tokenizer tokenizer_;
  bool is_thought_ = false;
};

// Shows an answer as soon as a canvas is done: the text alone, and thoughts on standard error.
class Display {
 public:
  explicit Display(const gesso::Model& model)
      : tokenizer_(*model.tokenizer()),
        parts_(tokenizer_),
        ends_(model.config().generation.end_token_ids),
        decoder_(tokenizer_),
        thought_decoder_(tokenizer_) {}
  virtual ~Display() = default;

  virtual void step(const gesso::StepEvent&) {}
  virtual void canvas(const gesso::CanvasEvent& event) {
    parts_.push(text_of(event));
    commit_thought(thought_decoder_.push(parts_.thought));
    add(decoder_.push(parts_.text));
  }
  virtual void end(const gesso::Result&) {
    add(decoder_.flush());
    if (!ends_line_) add("\n");
  }

 protected:
  virtual void commit(const std::string& text) { write(text); }
  virtual void commit_thought(const std::string& text) { std::cerr << text; }

  static std::span<const int32_t> text_of(const gesso::CanvasEvent& event) {
    return event.ids.first(static_cast<size_t>(event.text_length));
  }

  std::span<const int32_t> before_end(std::span<const int32_t> ids) const {
    return {ids.begin(), std::find_first_of(ids.begin(), ids.end(), ends_.begin(), ends_.end())};
  }

  const gesso::Tokenizer tokenizer_;
  Parts parts_;

 private:
  void add(const std::string& text) {
    commit(text);
    if (!text.empty()) ends_line_ = text.ends_with('\n');
  }

  const std::vector<int32_t> ends_;
  gesso::StreamDecoder decoder_, thought_decoder_;
  bool ends_line_ = true;
};

class JsonLines : public Display {
 public:
  using Display::Display;

  void step(const gesso::StepEvent& event) override {
    const auto accepted = std::count(event.accepted.begin(), event.accepted.end(), 1);
    write("{\"event\": \"step\", \"canvas\": " + std::to_string(event.canvas) + ", \"step\": " +
          std::to_string(event.step) + ", \"max_steps\": " + std::to_string(event.max_denoising_steps) +
          ", \"mean_entropy\": " + std::to_string(event.mean_entropy) + ", \"accepted\": " + std::to_string(accepted) +
          ", \"text\": " + text(before_end(event.argmax)) + "}\n");
  }

  void canvas(const gesso::CanvasEvent& event) override {
    write("{\"event\": \"canvas\", \"canvas\": " + std::to_string(event.canvas) +
          ", \"steps\": " + std::to_string(event.denoising_steps) + ", \"text\": " + text(text_of(event)) + "}\n");
  }

  void end(const gesso::Result& result) override {
    int64_t steps = 0;
    for (const int64_t of_canvas : result.denoising_steps) steps += of_canvas;
    parts_.push(result.ids);
    std::string thought = tokenizer_.decode(parts_.thought);
    if (const std::string name = "thought\n"; thought.starts_with(name)) thought.erase(0, name.size());
    if (thought.ends_with('\n')) thought.pop_back();
    write("{\"event\": \"end\", \"thought\": " + json(thought) + ", \"text\": " + text(parts_.text) +
          ", \"ids\": " + std::to_string(result.ids.size()) + ", \"steps\": " + std::to_string(steps) +
          ", \"finish_reason\": " + json(gesso::name_of(result.finish_reason)) + "}\n");
  }

 private:
  std::string text(std::span<const int32_t> ids) const { return json(tokenizer_.decode(ids)); }
};

// The rows of a terminal that can be drawn anew. A row has text, and escapes that take no room.
class Rows {
 public:
  Rows() {
    winsize size{};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 2 && size.ws_row > 3) {
      columns_ = size.ws_col - 1;
      most_ = size.ws_row - 2;
    }
  }

  void escape(std::string_view sequence) { rows_.back() += sequence; }
  // Characters that a terminal would obey are shown as symbols. Wide ones are all of those from U+1100 on here: a row
  // that ends early does no harm, and a row that is too long would.
  void add(std::string_view text) {
    for (size_t i = 0; i < text.size();) {
      const auto lead = static_cast<unsigned char>(text[i]);
      const size_t length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
      std::string_view character = text.substr(i, length);
      i += length;
      if (character == "\n") {
        new_row();
        continue;
      }
      const bool is_control = lead < 0x20 || lead == 0x7f || (lead == 0xc2 && character[1] < '\xa0');
      if (is_control) character = character == "\t" ? " " : "\xc2\xb7";
      const int width = character >= "\xe1\x84\x80" ? 2 : 1;
      if (width_ + width > columns_) new_row();
      rows_.back() += character;
      width_ += width;
    }
  }

  void new_row() {
    rows_.emplace_back();
    width_ = 0;
  }

  // A terminal cannot draw anew what has scrolled out of it: what is too much is left out, in front of the last row.
  std::string drawing() const {
    std::string out;
    for (size_t i = 0; i + 1 < rows_.size() && i + 1 < most_; ++i) out += rows_[i] + "\n";
    return out + rows_.back();
  }
  std::string erasing() const {
    const size_t up = std::min(rows_.size(), most_) - 1;
    return "\r" + (up ? "\x1b[" + std::to_string(up) + "A" : "") + "\x1b[J";
  }
  // Everything, to stay. Afterwards the object has the last row alone, which may grow.
  std::string take_all_but_last() {
    std::string out;
    for (size_t i = 0; i + 1 < rows_.size(); ++i) out += rows_[i] + "\n";
    rows_.erase(rows_.begin(), rows_.end() - 1);
    return out;
  }

 private:
  int columns_ = 79, width_ = 0;
  size_t most_ = 22;
  std::vector<std::string> rows_ = {""};
};

// The canvas settles in place: tokens that are not accepted yet are dim.
class Live : public Display {
 public:
  using Display::Display;

  void step(const gesso::StepEvent& event) override {
    Rows rows = text_;
    const size_t length = before_end(event.argmax).size();
    for (size_t first = 0, end = 0; first < length; first = end) {
      while (end < length && event.accepted[end] == event.accepted[first]) ++end;
      const std::string text = tokenizer_.decode(event.argmax.subspan(first, end - first));
      if (!event.accepted[first]) rows.escape("\x1b[2m");
      rows.add(text);
      if (!event.accepted[first]) rows.escape("\x1b[0m");
    }
    rows.new_row();
    rows.escape("\x1b[36m");
    rows.add("canvas " + std::to_string(event.canvas + 1) + "  step " + std::to_string(event.step + 1) + "/" +
             std::to_string(event.max_denoising_steps));
    rows.escape("\x1b[0m");
    write(shown_.erasing() + rows.drawing());
    shown_ = rows;
  }

 private:
  void commit_thought(const std::string& text) override { commit(text); }
  void commit(const std::string& text) override {
    text_.add(text);
    const std::string rows = text_.take_all_but_last();
    write(shown_.erasing() + rows + text_.drawing());
    shown_ = text_;
  }

  Rows text_, shown_;  // the last row of final text, and what the terminal shows
};

std::unique_ptr<Display> make_display(const gesso::Model& model, bool json) {
  if (json) return std::make_unique<JsonLines>(model);
  const char* terminal = std::getenv("TERM");
  const bool moves_cursor = !terminal || std::string_view(terminal) != "dumb";
  if (isatty(STDOUT_FILENO) && moves_cursor) return std::make_unique<Live>(model);
  return std::make_unique<Display>(model);
}

// The conversation that a session holds, as its marks tell: "<|turn>" begins a turn, behind the "<turn|>" and the line
// break of the turn before. The last reply has no mark behind it.
std::vector<gesso::ChatMessage> conversation_of(const gesso::Session& session, const gesso::Tokenizer& tokenizer) {
  const std::string think = "<|think|>\n";
  const std::vector<int32_t> ids = session.ids(0);
  std::vector<size_t> turns;
  for (size_t i = 0; i < ids.size(); ++i) {
    // The marks of a turn stand in front of those of the next one, also in a state that others have made.
    const bool is_behind_a_turn = i >= 2 && tokenizer.token(ids[i - 2]) == "<turn|>";
    const bool may_begin = turns.empty() ? i < 2 || is_behind_a_turn : is_behind_a_turn && i >= turns.back() + 3;
    if (may_begin && tokenizer.token(ids[i]) == "<|turn>") turns.push_back(i);
  }
  std::vector<gesso::ChatMessage> messages;
  for (size_t i = 0; i < turns.size(); ++i) {
    const size_t begin = turns[i] + 1, end = i + 1 < turns.size() ? turns[i + 1] - 2 : ids.size();
    const std::string text = tokenizer.decode(std::span(ids).subspan(begin, end - begin), false);
    const size_t line = text.find('\n');
    gesso::ChatMessage message = {text.substr(0, line), line < text.size() ? text.substr(line + 1) : ""};
    if (message.role == "model") message.role = "assistant";
    if (message.role == "system" && message.content.starts_with(think)) message.content.erase(0, think.size());
    if (message.role != "system" || !message.content.empty()) messages.push_back(std::move(message));
  }
  return messages;
}

// Makes the session hold as much as the prompt of its conversation with another turn begins with, and returns the rest.
// A template takes the thoughts of earlier replies away, so this may be less than the session holds.
std::vector<int32_t> next_turn(gesso::Session& session, const gesso::Tokenizer& tokenizer, const std::string& prompt,
                               const Arguments& arguments) {
  std::vector<gesso::ChatMessage> messages = conversation_of(session, tokenizer);
  if (messages.empty() && !arguments.system.empty()) messages.push_back({"system", arguments.system});
  messages.push_back({"user", prompt});
  const std::vector<int32_t> ids = tokenizer.encode_chat(messages, {.enable_thinking = arguments.thinks});
  const std::vector<int32_t> held = session.ids(0);
  const auto [last, first] = std::mismatch(held.begin(), held.end(), ids.begin(), ids.end());
  session.rewind({last - held.begin()});
  return {first, ids.end()};
}

// Ctrl-C ends an answer after the step under way, with the canvas as it stands. Pressed again it ends the call at once,
// and the session is as it was before.
void answer(gesso::Session& session, const gesso::Model& model, const std::string& prompt, Arguments& arguments) {
  interrupts = 0;
  const auto display = make_display(model, arguments.json);
  gesso::GenerationOptions& options = arguments.generation;
  options.on_step = [&](const gesso::StepEvent& event) {
    display->step(event);
    return interrupts == 0;
  };
  options.on_canvas = [&](const gesso::CanvasEvent& event) {
    display->canvas(event);
    return interrupts == 0;
  };
  options.interrupted = [] { return interrupts > 1; };
  const gesso::Tokenizer& tokenizer = *model.tokenizer();
  if (arguments.raw) {
    const bool is_first = session.length(0) == 0;
    const auto ids = is_first ? tokenizer.encode_prompt(prompt) : tokenizer.encode(prompt);
    display->end(session.generate({ids}, options).results[0]);
  } else {
    gesso::Session next = session.fork();  // after an error the session is as it was
    const auto ids = next_turn(next, tokenizer, prompt, arguments);
    const gesso::Result result = next.generate({ids}, options).results[0];
    session = std::move(next);
    display->end(result);
  }
}

void write_error_event(const char* message) {
  if (writes_json) std::cout << "{\"event\": \"error\", \"message\": " + json(message) + "}\n" << std::flush;
}

void tell_error(const std::exception& error) {
  write_error_event(error.what());
  std::string message = error.what();
  // A path or a word in it must do nothing to the terminal. U+0080 to U+009F are controls, too.
  for (size_t i = 0; i < message.size(); ++i) {
    const auto byte = static_cast<unsigned char>(message[i]);
    const bool is_late_control = byte == 0xC2 && static_cast<unsigned char>(message[i + 1]) < 0xA0;
    if ((byte < ' ' && byte != '\n') || byte == 0x7F || is_late_control) message.replace(i, 1 + is_late_control, "?");
  }
  std::cerr << "gesso-cli: " << message << "\n";
}

// Turns until the end of the input. After an error the conversation stands as before that turn.
void converse(gesso::Session& session, const gesso::Model& model, Arguments& arguments) {
  for (std::string line; std::cerr << "> ", std::getline(std::cin, line);) {
    if (line.empty()) continue;
    try {
      answer(session, model, line, arguments);
    } catch (const gesso::Error& error) {
      if (!std::cout) throw;
      std::cerr << "\n";  // behind a canvas that was not finished
      tell_error(error);
    }
  }
  std::cerr << "\n";
}

// The prompt of a single answer.
std::string read_prompt(const Arguments& arguments) {
  std::string text = arguments.prompt ? *arguments.prompt : std::string{std::istreambuf_iterator<char>(std::cin), {}};
  if (!arguments.prompt && text.ends_with('\n')) text.pop_back();
  if (interrupts > 0) throw gesso::Interrupted();
  if (text.empty()) throw gesso::ArgumentError("the prompt is empty");
  return text;
}

gesso::Session make_session(const gesso::Model& model, const std::string& path) {
  if (path.empty()) return gesso::Session(model);
  gesso::Session session = gesso::Session::load(model, path, [] { return interrupts > 0; });
  if (session.batch_size() != 1) {
    throw gesso::FormatError(path + ": expected the state of one sequence, got " +
                             std::to_string(session.batch_size()));
  }
  return session;
}

int run(std::span<char*> words) {
  Arguments arguments = parse_arguments(words);
  if (arguments.help) {
    print_help();
    write("");
    return 0;
  }
  gesso::set_log_callback(
      [](gesso::LogLevel level, const std::string& message) {
        std::cerr << (level == gesso::LogLevel::kWarning ? "gesso-cli: warning: " : "gesso-cli: ") + message + "\n";
      },
      arguments.log);
  if (!arguments.save.empty()) gesso::Session::check_save(arguments.save);
  const bool is_conversation = !arguments.prompt && isatty(STDIN_FILENO);
  const std::string prompt = is_conversation ? "" : read_prompt(arguments);
  arguments.loading.interrupted = [] { return interrupts > 0; };
  const gesso::Model model = gesso::Model::load(arguments.model, arguments.loading);
  if (!model.tokenizer()) throw gesso::FormatError(arguments.model + ": the model has no tokenizer");
  if (model.tokenizer()->chat_template().empty()) arguments.raw = true;
  if (!arguments.raw && !model.tokenizer()->knows_chat()) {
    throw gesso::FormatError(arguments.model + ": the chat template is none of the published ones; see --raw");
  }
  if (arguments.raw && (arguments.thinks || !arguments.system.empty())) {
    throw gesso::ArgumentError("--system and --think need the model's chat template");
  }
  gesso::Session session = make_session(model, arguments.load);
  if (session.length(0) > 0 && !arguments.raw && conversation_of(session, *model.tokenizer()).empty()) {
    throw gesso::FormatError(arguments.load + ": the state is no conversation; see --raw");
  }
  if (session.length(0) > 0 && !arguments.system.empty()) {
    throw gesso::ArgumentError("--system: the saved state has a beginning already");
  }
  if (is_conversation) {
    converse(session, model, arguments);
  } else {
    answer(session, model, prompt, arguments);
  }
  if (!arguments.save.empty()) session.save(arguments.save);
  return interrupts > 0 && !is_conversation ? kInterrupted : 0;
}

}  // namespace

int main(int argc, char** argv) {
  // Without SA_RESTART, so that Ctrl-C also ends the wait for a line.
  struct sigaction action {};
  action.sa_handler = [](int) { ++interrupts; };
  sigaction(SIGINT, &action, nullptr);
  // Also for errors of the other words. Behind "--" it is a prompt.
  for (int i = 1; i < argc && std::string_view(argv[i]) != "--"; ++i)
    writes_json |= std::string_view(argv[i]) == "--json";
  try {
    return run({argv + 1, static_cast<size_t>(std::max(argc - 1, 0))});
  } catch (const gesso::Interrupted& error) {
    write_error_event(error.what());
    return kInterrupted;
  } catch (const gesso::ArgumentError& error) {
    tell_error(error);
    return kWrongUsage;
  } catch (const std::exception& error) {
    tell_error(error);
    return kFailed;
  }
}
