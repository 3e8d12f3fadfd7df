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
#include <bit>
#include <concepts>
#include <cstring>
#include <limits>
#include <string_view>
#include <type_traits>
#include <unordered_set>

#include "core/check.h"
#include "io/mapped_file.h"

namespace gesso::io {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF is read as it lies in memory");

constexpr std::string_view kMagic = "GGUF";
constexpr uint64_t kMaxNameBytes = 65536;  // of a key or a tensor's name; real ones have tens of bytes
constexpr int kMaxArrayDepth = 8;          // nested arrays are read by recursion, and the stack is limited
constexpr int64_t kDefaultAlignment = 32;
// The fewest bytes that one key, tensor, string or array takes. With them, a count is compared with the bytes left
// before anything is allocated.
constexpr uint64_t kMinKeyBytes = 8 + 4 + 1;
constexpr uint64_t kMinTensorBytes = 8 + 4 + 8 + 4 + 8;
constexpr uint64_t kMinStringBytes = 8;
constexpr uint64_t kMinArrayBytes = 4 + 8;

enum class ValueType : uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};

// Reads the file from front to back. Every read is checked; errors name the byte offset and the current subject.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  uint64_t offset() const { return offset_; }
  // The bytes that were read since byte `start`.
  std::span<const std::byte> since(uint64_t start) const { return bytes_.subspan(start, offset_ - start); }
  // Tells error messages what is being read: "header", `key "general.name"`.
  void set_subject(std::string subject) { subject_ = std::move(subject); }

  // Throws a FormatError that names byte `at` unless `condition` holds.
  template <typename... Parts>
  void require(bool condition, uint64_t at, const Parts&... parts) const {
    if (!condition) throw FormatError(concat("GGUF byte ", at, ", ", subject_, ": ", parts...));
  }

  template <typename T>
  T read(const char* what) {
    T value;
    std::memcpy(&value, take(sizeof(T), what).data(), sizeof(T));
    return value;
  }

  // Reads how many things follow, each at least `min_bytes` long. Refuses a number that the rest of the file cannot
  // hold.
  uint64_t read_count(const char* what, uint64_t min_bytes) {
    const uint64_t at = offset_;
    const auto count = read<uint64_t>(what);
    require(count <= bytes_left() / min_bytes, at, what, ": expected at most ", bytes_left() / min_bytes, " (",
            bytes_left(), " bytes left, at least ", min_bytes, " each), got ", count);
    return count;
  }

  std::string_view read_string(const char* what) {
    const uint64_t length = read_count(what, 1);
    return as_text(take(length, what));
  }

  std::string_view read_name(const char* what) {
    const uint64_t at = offset_;
    const auto length = read<uint64_t>(what);
    require(length >= 1 && length <= kMaxNameBytes, at, what, ": expected a length of 1 to ", kMaxNameBytes, ", got ",
            length);
    return as_text(take(length, what));
  }

 private:
  uint64_t bytes_left() const { return bytes_.size() - offset_; }

  std::span<const std::byte> take(uint64_t count, const char* what) {
    require(count <= bytes_left(), offset_, what, ": expected ", count, " bytes, got ", bytes_left(),
            " to the end of the file");
    const auto taken = bytes_.subspan(offset_, count);
    offset_ += count;
    return taken;
  }

  static std::string_view as_text(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  std::span<const std::byte> bytes_;
  uint64_t offset_ = 0;
  std::string subject_ = "header";
};

// A bool must be 0 or 1, as GGUF says. Copying any other byte into a C++ bool would be undefined behaviour.
template <>
bool Reader::read<bool>(const char* what) {
  const uint64_t at = offset_;
  const auto byte = read<uint8_t>(what);
  require(byte <= 1, at, what, ": expected a bool of 0 or 1, got ", int{byte});
  return byte == 1;
}

// The type in which MetadataValue keeps a number.
template <typename Stored>
using Widened = std::conditional_t<std::floating_point<Stored>, double, int64_t>;

template <typename Stored>
Widened<Stored> read_widened(Reader& reader) {
  const uint64_t at = reader.offset();
  const auto value = reader.read<Stored>("value");
  if constexpr (std::same_as<Stored, uint64_t>) {
    reader.require(value <= std::numeric_limits<int64_t>::max(), at, "value: expected below 2^63, got ", value);
  }
  return static_cast<Widened<Stored>>(value);
}

template <typename Stored>
MetadataValue read_number(Reader& reader) {
  if constexpr (std::same_as<Stored, bool>) {
    return reader.read<bool>("value");
  } else {
    return read_widened<Stored>(reader);
  }
}

template <typename Stored>
MetadataValue read_number_array(Reader& reader) {
  std::vector<Widened<Stored>> values(reader.read_count("array length", sizeof(Stored)));
  for (Widened<Stored>& value : values) value = read_widened<Stored>(reader);
  return values;
}

MetadataValue read_string_array(Reader& reader) {
  std::vector<std::string_view> values(reader.read_count("array length", kMinStringBytes));
  for (std::string_view& value : values) value = reader.read_string("string");
  return values;
}

MetadataValue read_array(Reader& reader, int depth);

// Nothing needs nested arrays, so they are checked and skipped.
MetadataValue read_nested_array(Reader& reader, int depth) {
  const uint64_t at = reader.offset();
  reader.require(depth < kMaxArrayDepth, at, "array: expected at most ", kMaxArrayDepth,
                 " levels of nesting, got more");
  const uint64_t count = reader.read_count("array length", kMinArrayBytes);
  for (uint64_t i = 0; i < count; ++i) read_array(reader, depth + 1);
  return {};
}

// Calls `visit` with a zero of the C++ type that stores the value type: uint8_t{} for kU8.
template <typename Visit>
MetadataValue visit_number_type(Reader& reader, ValueType type, uint64_t type_at, const Visit& visit) {
  switch (type) {
    case ValueType::kU8:
      return visit(uint8_t{});
    case ValueType::kI8:
      return visit(int8_t{});
    case ValueType::kU16:
      return visit(uint16_t{});
    case ValueType::kI16:
      return visit(int16_t{});
    case ValueType::kU32:
      return visit(uint32_t{});
    case ValueType::kI32:
      return visit(int32_t{});
    case ValueType::kF32:
      return visit(float{});
    case ValueType::kBool:
      return visit(bool{});
    case ValueType::kU64:
      return visit(uint64_t{});
    case ValueType::kI64:
      return visit(int64_t{});
    case ValueType::kF64:
      return visit(double{});
    case ValueType::kString:
    case ValueType::kArray:
      break;
  }
  // A file may hold any number here: the switch above knows those that are defined.
  reader.require(false, type_at, "value type: expected 0 to 12, got ", static_cast<uint32_t>(type));
  return {};
}

// `depth` is the number of arrays around the elements: 1 for an array that is not nested.
MetadataValue read_array(Reader& reader, int depth) {
  const uint64_t at = reader.offset();
  const auto type = reader.read<ValueType>("array element type");
  if (type == ValueType::kString) return read_string_array(reader);
  if (type == ValueType::kArray) return read_nested_array(reader, depth);
  return visit_number_type(reader, type, at, [&](auto stored) { return read_number_array<decltype(stored)>(reader); });
}

MetadataValue read_value(Reader& reader) {
  const uint64_t at = reader.offset();
  const auto type = reader.read<ValueType>("value type");
  if (type == ValueType::kString) return reader.read_string("string");
  if (type == ValueType::kArray) return read_array(reader, 1);
  return visit_number_type(reader, type, at, [&](auto stored) { return read_number<decltype(stored)>(reader); });
}

struct Header {
  uint64_t num_tensors = 0;
  uint64_t num_keys = 0;
};

Header read_header(Reader& reader) {
  const auto magic = reader.read<std::array<char, 4>>("magic");
  const std::string_view text(magic.data(), magic.size());
  reader.require(text == kMagic, 0, "magic: expected ", quoted(kMagic), ", got ", quoted(text));
  const uint64_t version_at = reader.offset();
  const auto version = reader.read<uint32_t>("version");
  reader.require(version == 0 || (version & 0xffff) != 0, version_at,
                 "version: expected a little endian file, got a big endian one");
  reader.require(version == 2 || version == 3, version_at, "version: expected 2 or 3, got ", version);
  Header header;
  header.num_tensors = reader.read_count("number of tensors", kMinTensorBytes);
  header.num_keys = reader.read_count("number of keys", kMinKeyBytes);
  return header;
}

Metadata read_metadata(Reader& reader, uint64_t num_keys) {
  Metadata metadata;
  for (uint64_t i = 0; i < num_keys; ++i) {
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
Shape read_shape(Reader& reader) {
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

Entry read_entry(Reader& reader) {
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

std::vector<Entry> read_directory(Reader& reader, uint64_t num_tensors) {
  std::vector<Entry> entries;
  std::unordered_set<std::string_view> names;
  for (uint64_t i = 0; i < num_tensors; ++i) {
    reader.set_subject(concat("tensor ", i + 1, " of ", num_tensors));
    entries.push_back(read_entry(reader));
    reader.require(names.insert(entries.back().name).second, entries.back().at, "duplicate tensor name");
  }
  return entries;
}

uint64_t read_alignment(const Reader& reader, const Metadata& metadata) {
  const int64_t alignment = metadata.get_int("general.alignment", kDefaultAlignment);
  reader.require(alignment >= 8 && std::has_single_bit(static_cast<uint64_t>(alignment)), reader.offset(),
                 "key \"general.alignment\": expected a power of two of at least 8, got ", alignment);
  return static_cast<uint64_t>(alignment);
}

// Checks that the data of each tensor is aligned and lies inside the data section, which has `section_bytes` bytes.
void check_placement(Reader& reader, const std::vector<Entry>& entries, uint64_t section_bytes, uint64_t alignment) {
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
void check_overlap(Reader& reader, const std::vector<Entry>& entries) {
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

GgufFile parse_gguf(std::span<const std::byte> bytes) {
  Reader reader(bytes);
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

GgufFile open_gguf(const std::string& path) {
  auto mapping = std::make_shared<const MappedFile>(path);
  try {
    GgufFile file = parse_gguf(mapping->bytes());
    file.owner = std::move(mapping);
    return file;
  } catch (const FormatError& error) {
    throw FormatError(concat(path, ": ", error.what()));
  }
}

}  // namespace gesso::io
