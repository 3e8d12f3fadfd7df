// The layout of a GGUF file:
//   "GGUF", u32 version, u64 num_tensors, u64 num_keys
//   num_keys    x { string key, u32 value type, value }
//   num_tensors x { string name, u32 rank, u64 extents[rank] (innermost first), u32 tensor type, u64 offset }
//   padding to a multiple of general.alignment, then the data section; offsets count from its start
// where string = u64 length, bytes; array = u32 element type, u64 count, elements. All numbers are little endian.
// Version 3 differs from version 2 only in that it allows big endian files.
#include "io/gguf.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <string_view>
#include <unordered_set>

#include "core/check.h"
#include "io/file_kind.h"
#include "io/gguf_value.h"

namespace gesso::io {
namespace {

constexpr std::string_view kMagic = "GGUF";
constexpr int64_t kDefaultAlignment = 32;
// The fewest bytes that one key, tensor, string or array takes. With them, a count is compared with the bytes left
// before anything is allocated.
constexpr uint64_t kMinKeyBytes = 8 + 4 + 1;
constexpr uint64_t kMinTensorBytes = 8 + 4 + 8 + 4 + 8;

struct Header {
  uint64_t num_tensors = 0;
  uint64_t num_keys = 0;
};

// Names what else a file is that does not begin as GGUF does.
void check_kind(const GgufReader& reader, std::span<const std::byte> bytes) {
  if (bytes.size() >= kMagic.size() && std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) == 0) return;
  const std::string_view kind = file_kind(bytes);
  reader.require(kind.empty(), 0, "magic: expected ", quoted(kMagic), ", got ", kind);
}

Header read_header(GgufReader& reader) {
  const auto magic = reader.read<std::array<char, 4>>("magic");
  const std::string_view text(magic.data(), magic.size());
  reader.require(text == kMagic, 0, "magic: expected ", quoted(kMagic), ", got ", quoted(text));
  const uint64_t version_at = reader.offset();
  const auto version = reader.read<uint32_t>("version");
  reader.require(version == 0 || (version & 0xffff) != 0, version_at,
                 "version: expected a little endian file, got a big endian one");
  reader.require(version == 2 || version == 3, version_at, "version: expected 2 or 3, got ", version);
  Header header;
  header.num_tensors = reader.read_count("number of tensors", kMinTensorBytes, kMaxTensors);
  header.num_keys = reader.read_count("number of keys", kMinKeyBytes, kMaxKeys);
  return header;
}

Metadata read_metadata(GgufReader& reader, uint64_t num_keys) {
  Metadata metadata;
  for (uint64_t i = 0; i < num_keys; ++i) {
    reader.poll();
    reader.set_subject(concat("key ", i + 1, " of ", num_keys));
    const uint64_t at = reader.offset();
    std::string key(reader.read_name("key"));
    reader.set_subject("key " + quoted(key));
    reader.require(!metadata.has(key), at, "duplicate key");
    const uint64_t value_at = reader.offset();
    MetadataValue value = read_value(reader);
    metadata.add(std::move(key), std::move(value), reader.since(value_at));
  }
  return metadata;
}

// One entry of the tensor directory. Whether its data lies inside the file is not checked yet.
struct Entry {
  std::string_view name;
  uint64_t at = 0;  // where the entry begins, in bytes from the start of the file
  DType dtype{};
  Shape shape;
  uint64_t num_bytes = 0;
  uint64_t offset = 0;  // where the data begins, in bytes from the start of the data section

  std::string subject() const { return "tensor " + quoted(name); }
};

std::string known_types() {
  constexpr uint32_t kIdsEnd = 256;  // above all ids; ids that no type has are skipped
  std::string names;
  for (uint32_t id = 0; id < kIdsEnd; ++id) {
    if (const DTypeInfo* info = find_dtype(id)) names += concat(names.empty() ? "" : ", ", info->name, " (", id, ")");
  }
  return names;
}

// GGUF stores the innermost extent first; Shape has it last.
Shape read_shape(GgufReader& reader) {
  const uint64_t at = reader.offset();
  const auto rank = reader.read<uint32_t>("rank");
  reader.require(rank >= 1 && rank <= Shape::kMaxRank, at, "rank: expected 1 to ", Shape::kMaxRank, ", got ", rank);
  Shape shape;
  shape.rank = static_cast<int>(rank);
  int64_t num_elements = 1;
  for (int i = shape.rank - 1; i >= 0; --i) {
    const uint64_t extent_at = reader.offset();
    const auto extent = reader.read<uint64_t>("extent");
    reader.require(extent >= 1 && extent <= std::numeric_limits<int64_t>::max(), extent_at,
                   "extent: expected 1 to 2^63 - 1, got ", extent);
    shape.extents[i] = static_cast<int64_t>(extent);
    reader.require(!__builtin_mul_overflow(num_elements, shape.extents[i], &num_elements), extent_at,
                   "extent: expected fewer than 2^63 elements in all, got extent ", extent, " on top");
  }
  return shape;
}

Entry read_entry(GgufReader& reader) {
  Entry entry;
  entry.at = reader.offset();
  entry.name = reader.read_name("tensor name");
  reader.set_subject(entry.subject());
  entry.shape = read_shape(reader);

  const uint64_t type_at = reader.offset();
  const auto type = reader.read<uint32_t>("tensor type");
  const DTypeInfo* info = find_dtype(type);
  if (info == nullptr) reader.require(false, type_at, "unknown tensor type ", type, ", known are ", known_types());
  entry.dtype = info->dtype;
  reader.require(entry.shape.last() % info->block_elements == 0, entry.at, "expected rows of a multiple of ",
                 info->block_elements, " elements for type ", info->name, ", got shape ", entry.shape.to_string());
  const int64_t num_blocks = entry.shape.num_elements() / info->block_elements;
  reader.require(!__builtin_mul_overflow(num_blocks, int64_t{info->block_bytes}, &entry.num_bytes), entry.at,
                 "the bytes of shape ", entry.shape.to_string(), " overflow 64 bits");
  entry.offset = reader.read<uint64_t>("data offset");
  return entry;
}

std::vector<Entry> read_directory(GgufReader& reader, uint64_t num_tensors) {
  std::vector<Entry> entries;
  std::unordered_set<std::string_view> names;
  for (uint64_t i = 0; i < num_tensors; ++i) {
    reader.poll();
    reader.set_subject(concat("tensor ", i + 1, " of ", num_tensors));
    entries.push_back(read_entry(reader));
    reader.require(names.insert(entries.back().name).second, entries.back().at, "duplicate tensor name");
  }
  return entries;
}

uint64_t read_alignment(const GgufReader& reader, const Metadata& metadata) {
  const int64_t alignment = metadata.get_int("general.alignment", kDefaultAlignment);
  reader.require(alignment >= 8 && std::has_single_bit(static_cast<uint64_t>(alignment)), reader.offset(),
                 "key \"general.alignment\": expected a power of two of at least 8, got ", alignment);
  return static_cast<uint64_t>(alignment);
}

// Checks that the data of each tensor is aligned and lies inside the data section, which has `section_bytes` bytes.
void check_placement(GgufReader& reader, const std::vector<Entry>& entries, uint64_t section_bytes,
                     uint64_t alignment) {
  for (const Entry& entry : entries) {
    reader.set_subject(entry.subject());
    reader.require(entry.offset % alignment == 0, entry.at, "data offset: expected a multiple of ", alignment, ", got ",
                   entry.offset);
    const bool inside = entry.num_bytes <= section_bytes && entry.offset <= section_bytes - entry.num_bytes;
    reader.require(inside, entry.at, "expected data inside the ", section_bytes, " bytes of the data section, got ",
                   entry.num_bytes, " bytes (", dtype_name(entry.dtype), " ", entry.shape.to_string(), ") at offset ",
                   entry.offset);
  }
}

// Checks that no two tensors share bytes. No correct file has that, and writing one of them would change the other.
void check_overlap(GgufReader& reader, const std::vector<Entry>& entries) {
  std::vector<const Entry*> by_offset;
  for (const Entry& entry : entries) by_offset.push_back(&entry);
  std::sort(by_offset.begin(), by_offset.end(), [](const Entry* a, const Entry* b) { return a->offset < b->offset; });
  for (size_t i = 1; i < by_offset.size(); ++i) {
    const Entry& previous = *by_offset[i - 1];
    const Entry& entry = *by_offset[i];
    reader.set_subject(entry.subject());
    reader.require(entry.offset >= previous.offset + previous.num_bytes, entry.at, "data at offset ", entry.offset,
                   " overlaps tensor ", quoted(previous.name), ", which ends at ",
                   previous.offset + previous.num_bytes);
  }
}

}  // namespace

GgufFile parse_gguf(std::span<const std::byte> bytes, const std::function<bool()>& interrupted) {
  GgufReader reader(bytes, interrupted);
  check_kind(reader, bytes);
  const Header header = read_header(reader);
  GgufFile file;
  file.file_bytes = bytes.size();
  file.metadata = read_metadata(reader, header.num_keys);
  const std::vector<Entry> entries = read_directory(reader, header.num_tensors);

  reader.set_subject("data section");
  const uint64_t alignment = read_alignment(reader, file.metadata);
  const uint64_t data_start = (reader.offset() + alignment - 1) / alignment * alignment;
  check_placement(reader, entries, bytes.size() - std::min<uint64_t>(data_start, bytes.size()), alignment);
  check_overlap(reader, entries);
  file.tensors.reserve(entries.size());
  for (const Entry& entry : entries) {
    const std::byte* data = bytes.data() + data_start + entry.offset;
    file.tensors.push_back(
        {std::string(entry.name), Tensor{data, entry.dtype, entry.shape}, static_cast<uint64_t>(data - bytes.data())});
  }
  return file;
}

}  // namespace gesso::io
