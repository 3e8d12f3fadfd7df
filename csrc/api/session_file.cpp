// Saved sessions. A file is little-endian and consists of, one after another:
//   Header
//   for each layer: the bytes of a row of keys, and of a row of values, u64 each
//   for each sequence: how many ids it has, how many of them are encoded, and for each layer the first position whose
//     rows follow, u64 each; its ids, i32 each; for each layer the rows of keys, then the rows of values
//   the checksum of everything before it, u64
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/checksum.h"
#include "api/session_impl.h"
#include "api/session_reader.h"
#include "core/log.h"
#include "core/platform/partial_file.h"
#include "gesso/limits.h"
#include "io/file_bytes.h"
#include "io/path.h"
#include "model/sliding_window.h"

namespace gesso {
namespace {

static_assert(std::endian::native == std::endian::little, "numbers and rows are written as they lie in memory");

constexpr std::array<char, 8> kMagic = {'g', 'e', 's', 's', 'o', 's', 'e', 's'};
constexpr uint64_t kVersion = 1;
constexpr int64_t kPieceBytes = int64_t{16} << 20;  // so many are copied or added up before somebody may interrupt

struct Header {
  std::array<char, 8> magic = kMagic;
  uint64_t version = kVersion;
  uint64_t file_bytes = 0;  // with the checksum
  uint64_t model_hash = 0;
  uint64_t extra_hash = 0;   // of what else the rows depend on; there is nothing yet
  uint64_t is_on_gpu = 0;    // 0 or 1
  uint64_t activations = 0;  // an ActivationType
  uint64_t batch_size = 0;
  uint64_t num_layers = 0;
};
static_assert(sizeof(Header) == 72);

std::span<const std::byte> bytes_of(const auto& value) { return std::as_bytes(std::span(&value, 1)); }

int64_t row_bytes(const ops::KeyValueLayout& layout) { return layout.key_row_bytes + layout.value_row_bytes; }

// What a file of a session depends on.
struct Basis {
  const ModelConfig& config;
  const std::vector<ops::KeyValueLayout>& layouts;
  Header header;  // without file_bytes and batch_size
};

Basis basis_of(const auto& model) {
  const Header header = {.model_hash = model.hash(),
                         .is_on_gpu = model.device.has_value(),
                         .activations = static_cast<uint64_t>(model.activations),
                         .num_layers = model.weights.key_value_layouts.size()};
  return {model.config, model.weights.key_value_layouts, header};
}

class Writer {
 public:
  using Sink = std::function<void(std::span<const std::byte>)>;

  Writer(const Context& context, Sink sink) : context_(context), sink_(std::move(sink)) {}

  void write(std::span<const std::byte> bytes) {
    checksum_.add(bytes);
    sink_(bytes);
  }
  void number(int64_t value) { write(bytes_of(value)); }
  void rows(const std::byte* source, int64_t num_bytes) {
    for (int64_t done = 0; done < num_bytes; done += kPieceBytes) {
      context_.poll();
      const int64_t count = std::min(kPieceBytes, num_bytes - done);
      const std::byte* on_host = source + done;
      if (context_.queue) {
        if (piece_.size() == 0) piece_ = ops::allocate_host<std::byte>(context_, kPieceBytes);
        ops::copy_to_host(context_, on_host, count, piece_.data());
        ops::synchronize(context_);
        on_host = piece_.data();
      }
      write({on_host, static_cast<size_t>(count)});
    }
  }
  void checksum() { sink_(bytes_of(checksum_.value())); }

 private:
  const Context& context_;
  Sink sink_;
  Checksum checksum_;
  Buffer<std::byte> piece_;  // where rows of a device come to the host
};

platform::PartialFile new_file(const std::string& path) {
  io::check_overwritable(path, {kMagic.data(), kMagic.size()}, "saved session");
  return platform::PartialFile(path);
}

int64_t saved_bytes(const std::vector<model::Sequence>& sequences, const std::vector<ops::KeyValueLayout>& layouts) {
  constexpr int64_t kNumber = sizeof(uint64_t);
  const auto num_layers = static_cast<int64_t>(layouts.size());
  int64_t bytes = static_cast<int64_t>(sizeof(Header)) + 2 * num_layers * kNumber + kNumber;
  for (const model::Sequence& sequence : sequences) {
    bytes += (2 + num_layers) * kNumber + std::ssize(sequence.ids) * static_cast<int64_t>(sizeof(int32_t));
    for (int64_t i = 0; i < num_layers; ++i) {
      bytes += (sequence.cache.length() - sequence.cache.layer(i).begin()) * row_bytes(layouts[i]);
    }
  }
  return bytes;
}

void write_sequence(Writer& out, const model::Sequence& sequence, const std::vector<ops::KeyValueLayout>& layouts) {
  const model::KvCache& cache = sequence.cache;
  out.number(std::ssize(sequence.ids));
  out.number(cache.length());
  for (size_t i = 0; i < layouts.size(); ++i) out.number(cache.layer(i).begin());
  out.write(std::as_bytes(std::span(sequence.ids)));
  for (size_t i = 0; i < layouts.size(); ++i) {
    const model::LayerCache& layer = cache.layer(i);
    const int64_t begin = layer.begin(), count = cache.length() - begin;
    out.rows(layer.keys(begin), count * layouts[i].key_row_bytes);
    out.rows(layer.values(begin), count * layouts[i].value_row_bytes);
  }
}

// Reads the header of a session whose length is `file_bytes`. `in` may end anywhere behind the layout.
Header read_header(SessionReader& in, uint64_t file_bytes) {
  Header header;
  const std::span<const std::byte> first = in.left();
  in.check(!first.empty() && std::memcmp(first.data(), kMagic.data(), std::min(first.size(), sizeof(kMagic))) == 0,
           "is no saved session; one begins with \"", std::string_view(kMagic.data(), kMagic.size()), "\"");
  in.check(file_bytes >= sizeof(Header) + sizeof(uint64_t), "the saved session is truncated: expected at least ",
           sizeof(Header) + sizeof(uint64_t), " bytes, got ", file_bytes);
  std::memcpy(&header, in.take(sizeof(Header)).data(), sizeof(Header));
  in.check(header.version == kVersion, "the saved session has version ", header.version, ", expected ", kVersion);
  in.check(header.file_bytes == file_bytes, "the saved session is ",
           header.file_bytes > file_bytes ? "truncated" : "followed by other bytes", ": expected ", header.file_bytes,
           " bytes, got ", file_bytes);
  return header;
}

void check_checksum(const SessionReader& in, std::span<const std::byte> all, const std::function<bool()>& interrupted) {
  Checksum sum;
  for (auto left = all.first(all.size() - sizeof(uint64_t)); !left.empty();) {
    if (interrupted && interrupted()) throw Interrupted();
    const size_t count = std::min(left.size(), size_t{kPieceBytes});
    sum.add(left.first(count));
    left = left.subspan(count);
  }
  in.check(std::memcmp(all.last(sizeof(uint64_t)).data(), bytes_of(sum.value()).data(), sizeof(uint64_t)) == 0,
           "the saved session is damaged: its checksum is wrong");
}

const char* device_name(uint64_t is_on_gpu) { return is_on_gpu ? "a GPU" : "the CPU"; }

std::string activations_name(uint64_t activations) {
  constexpr std::array<const char*, 3> kNames = {"f32", "bf16", "int8"};
  return activations < kNames.size() ? kNames[activations] : concat("type ", activations);
}

// Throws unless the session was saved with such a model as this one. Reads the layout, which follows the header.
void check_model(SessionReader& in, const Header& header, const Basis& basis) {
  const Header& expected = basis.header;
  in.check(header.model_hash == expected.model_hash, "the session was saved with another model");
  in.check(header.extra_hash == expected.extra_hash, "the session was saved with something beside the model");
  in.check(header.is_on_gpu == expected.is_on_gpu, "the session was saved on ", device_name(header.is_on_gpu),
           ", and the model is on ", device_name(expected.is_on_gpu));
  in.check(header.activations == expected.activations, "the session was saved with activations ",
           activations_name(header.activations), ", and the model has ", activations_name(expected.activations));
  in.check(header.num_layers == expected.num_layers, "layout: expected ", expected.num_layers, " layers, got ",
           header.num_layers);
  for (size_t i = 0; i < header.num_layers; ++i) {
    const ops::KeyValueLayout& layout = basis.layouts[i];
    const int64_t keys = in.number(), values = in.number();
    in.check(keys == layout.key_row_bytes && values == layout.value_row_bytes, "layout of layer ", i, ": expected ",
             layout.key_row_bytes, " + ", layout.value_row_bytes, " bytes for each token, got ", keys, " + ", values);
  }
  in.check(header.batch_size >= 1 && header.batch_size <= kMaxBatch, "sequences: expected 1 to ", kMaxBatch, ", got ",
           static_cast<int64_t>(header.batch_size));
}

// How many bytes read_header() and check_model() read.
size_t head_bytes(size_t num_layers) { return sizeof(Header) + num_layers * 2 * sizeof(uint64_t); }

void read_sequence(SessionReader& in, const Context& context, const Basis& basis, model::Sequence& sequence) {
  const auto& [config, layouts, header] = basis;
  const int64_t num_ids = in.count("ids", sizeof(int32_t)), length = in.number();
  in.check(num_ids <= config.max_position_embeddings, "ids: ", num_ids, " are more than the context of ",
           config.max_position_embeddings);
  in.check(length >= 0 && length <= num_ids, "expected 0 to ", num_ids, " encoded ids, got ", length);
  std::vector<int64_t> begins;
  int64_t num_bytes = num_ids * static_cast<int64_t>(sizeof(int32_t));
  for (size_t i = 0; i < layouts.size(); ++i) {
    const int64_t begin = begins.emplace_back(in.number());
    const int64_t needed = model::first_seen(model::window_of(config, i), length);
    in.check(begin >= 0 && begin <= needed, "layer ", i, ": expected rows from position ", needed, " or before, got ",
             begin);
    num_bytes += (length - begin) * row_bytes(layouts[i]);
  }
  in.check(num_bytes <= std::ssize(in.left()), "expected ", num_bytes, " more bytes, got ", in.left().size());
  sequence.ids.resize(num_ids);
  const std::span<const std::byte> ids = in.take(num_ids * static_cast<int64_t>(sizeof(int32_t)));
  if (!ids.empty()) std::memcpy(sequence.ids.data(), ids.data(), ids.size());
  // An id that stands for an image is no error here: no prompt has one, but a generation may, where it was pinned.
  for (const int32_t id : sequence.ids) {
    in.check(id >= 0 && id < config.vocab_size, "token id ", id, " is outside the vocabulary");
  }
  if (length == 0) return;
  sequence.cache.adopt(context, begins, length);
  for (size_t i = 0; i < layouts.size(); ++i) {
    context.poll();
    const model::LayerCache& layer = sequence.cache.layer(i);
    const int64_t count = length - begins[i];
    const auto keys = in.take(count * layouts[i].key_row_bytes), values = in.take(count * layouts[i].value_row_bytes);
    ops::copy_to_device(context, keys.data(), std::ssize(keys), layer.keys(begins[i]));
    ops::copy_to_device(context, values.data(), std::ssize(values), layer.values(begins[i]));
  }
}

}  // namespace

void Session::Impl::save(const Context& context, const std::function<void(std::span<const std::byte>)>& sink) const {
  const auto& [config, layouts, model_header] = basis_of(*shared);
  Header header = model_header;
  header.file_bytes = static_cast<uint64_t>(saved_bytes(sequences, layouts));
  header.batch_size = sequences.size();
  Writer out(context, sink);
  out.write(bytes_of(header));
  for (const ops::KeyValueLayout& layout : layouts) {
    out.number(layout.key_row_bytes);
    out.number(layout.value_row_bytes);
  }
  for (const model::Sequence& sequence : sequences) write_sequence(out, sequence, layouts);
  out.checksum();
}

void Session::check_save(const std::string& path) { new_file(path); }

void Session::save(const std::string& path, const std::function<bool()>& interrupted) const {
  const Impl::ReadingCall session(impl_, "save");
  const LogTimer timer;
  platform::PartialFile file = new_file(path);
  session->save(session->context(interrupted), [&](std::span<const std::byte> bytes) { file.write(bytes); });
  file.finish();
  log_message(LogLevel::kInfo, [&] { return concat("saved a session to ", path, " in ", timer.text()); });
}

std::vector<std::byte> Session::save(const std::function<bool()>& interrupted) const {
  const Impl::ReadingCall session(impl_, "save");
  std::vector<std::byte> all;
  all.reserve(static_cast<size_t>(saved_bytes(session->sequences, session->shared->weights.key_value_layouts)));
  session->save(session->context(interrupted),
                [&](std::span<const std::byte> bytes) { all.insert(all.end(), bytes.begin(), bytes.end()); });
  return all;
}

Session Session::Impl::load(const Model& model, std::string name, std::span<const std::byte> bytes,
                            const std::function<bool()>& interrupted) {
  SessionReader in(std::move(name), bytes);
  const Header header = read_header(in, bytes.size());
  const Basis basis = basis_of(*model.impl_);
  check_model(in, header, basis);
  check_checksum(in, bytes, interrupted);
  Session session(model, static_cast<int64_t>(header.batch_size));
  const Context context = session.impl_->context(interrupted);
  for (model::Sequence& sequence : session.impl_->sequences) read_sequence(in, context, basis, sequence);
  in.check(in.left().size() == sizeof(uint64_t), in.left().size() - sizeof(uint64_t), " bytes are behind the rows");
  ops::synchronize(context);
  return session;
}

Session Session::load(const Model& model, const std::string& path, const std::function<bool()>& interrupted) {
  const LogTimer timer;
  // The first bytes are looked at before the others are read: a foreign file of 64 GB takes no time and no memory.
  const io::FileHead head = io::read_head(path, head_bytes(model.impl_->weights.key_value_layouts.size()));
  SessionReader in(path, head.bytes);
  const Header header = read_header(in, head.file_bytes);
  check_model(in, header, basis_of(*model.impl_));
  // The file is read, not mapped: whatever others do to it meanwhile, its bytes stay those that are checked again.
  const io::FileBytes file(path, io::FileAccess::kRead, interrupted);
  Session session = Impl::load(model, path, file.bytes(), interrupted);
  log_message(LogLevel::kInfo, [&] { return concat("loaded a session of ", path, " in ", timer.text()); });
  return session;
}

Session Session::load(const Model& model, std::span<const std::byte> bytes, const std::function<bool()>& interrupted) {
  return Impl::load(model, "buffer", bytes, interrupted);
}

}  // namespace gesso
