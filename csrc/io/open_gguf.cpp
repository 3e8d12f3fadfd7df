#include "io/open_gguf.h"

#include <algorithm>
#include <cerrno>
#include <unordered_map>
#include <utility>

#include "core/check.h"
#include "core/platform/input_file.h"
#include "gesso/limits.h"
#include "io/part_name.h"

namespace gesso::io {
namespace {

// What a part says about itself and the others.
struct Split {
  int64_t index = 0;  // split.no, from 0
  int64_t count = 0;  // 0 and 1 stand for a whole file. gguf-split writes 0 when it merges parts
  int64_t num_tensors = 0;
};

// Calls `work`. A FormatError that it throws gets the path in front of its message.
template <typename Work>
auto in_file(const std::string& path, const Work& work) {
  try {
    return work();
  } catch (const FormatError& error) {
    throw FormatError(concat(path, ": ", error.what()));
  }
}

using Progress = std::function<void(int64_t, int64_t)>;

GgufFile open_file(const std::string& path, FileAccess access, const std::function<bool()>& interrupted,
                   const Progress& progress) {
  auto bytes = std::make_shared<const FileBytes>(path, access, interrupted, progress);
  return in_file(path, [&] {
    GgufFile file = parse_gguf(bytes->bytes(), interrupted);
    file.owner = bytes;
    file.files = {std::move(bytes)};
    return file;
  });
}

Split read_split(const Metadata& metadata) {
  Split split;
  split.count = metadata.get_int("split.count", 0);
  check_format(split.count >= 0 && split.count <= kMaxParts, "key \"split.count\": expected 0 to ", kMaxParts, ", got ",
               split.count);
  if (split.count <= 1) return split;
  split.index = metadata.get_int("split.no");
  check_format(split.index >= 0 && split.index < split.count, "key \"split.no\": expected 0 to ", split.count - 1,
               ", because split.count is ", split.count, ", got ", split.index);
  split.num_tensors = metadata.get_int("split.tensors.count");
  return split;
}

void check_name(const std::string& path, const Split& split) {
  const std::optional<PartName> name = parse_part_name(path);
  check_format(name && name->number == split.index + 1 && name->count == split.count, "this is part ", split.index + 1,
               " of ", split.count, ", whose name must end with ", quoted(part_ending(split.index + 1, split.count)),
               ", so that the other parts can be found");
}

// This comes before anything large is read. It stops at the first part that is missing, whatever split.count says.
void check_all_exist(const std::string& path, int64_t count) {
  for (int64_t number = 1; number <= count; ++number) {
    const std::string part = part_path(path, number);
    if (platform::exists(part)) continue;
    throw IoError(concat("cannot open ", path, ": part ", number, " of ", count, " is missing, expected ", part),
                  ENOENT);
  }
}

void check_same(const char* key, int64_t expected, int64_t got) {
  check_format(expected == got, "key ", quoted(key), ": expected ", expected, ", as in part 1, got ", got);
}

// A part may repeat metadata of part 1. What differs would be lost: it is probably a part of another model.
void check_metadata(const Metadata& first, const Metadata& part) {
  for (const std::string& key : part.keys()) {
    if (key.starts_with("split.") || key == "general.alignment") continue;
    check_format(first.has(key), "key ", quoted(key), ": expected it in part 1, which does not have it");
    const auto expected = first.encoded(key), got = part.encoded(key);
    check_format(std::equal(expected.begin(), expected.end(), got.begin(), got.end()), "key ", quoted(key),
                 ": expected the value that it has in part 1");
  }
}

// Part 1 gets the tensors of the others, part by part.
class Joiner {
 public:
  Joiner(GgufFile first, const Split& split) : whole_(std::move(first)), split_(split) { note_names(whole_); }

  void add(GgufFile part) {
    const Split split = read_split(part.metadata);
    check_same("split.count", split_.count, split.count);
    check_format(split.index == num_parts_, "key \"split.no\": expected ", num_parts_, ", as the name says, got ",
                 split.index);
    check_same("split.tensors.count", split_.num_tensors, split.num_tensors);
    check_metadata(whole_.metadata, part.metadata);
    note_names(part);
    std::move(part.tensors.begin(), part.tensors.end(), std::back_inserter(whole_.tensors));
    whole_.files.push_back(std::move(part.files[0]));
    whole_.file_bytes += part.file_bytes;
    ++num_parts_;
  }

  GgufFile finish() {
    const int64_t num_tensors = std::ssize(whole_.tensors);
    check_format(num_tensors == split_.num_tensors, "key \"split.tensors.count\": expected the ", num_tensors,
                 " tensors that the ", split_.count, " parts have, got ", split_.num_tensors);
    whole_.owner = std::make_shared<const std::vector<std::shared_ptr<const FileBytes>>>(whole_.files);
    return std::move(whole_);
  }

 private:
  void note_names(const GgufFile& part) {
    for (const NamedTensor& named : part.tensors) {
      const auto [other, is_new] = number_of_.emplace(named.name, num_parts_);
      check_format(is_new, "tensor ", quoted(named.name), ": part ", other->second, " has it, too");
    }
  }

  GgufFile whole_;
  Split split_;
  int64_t num_parts_ = 1;
  std::unordered_map<std::string, int64_t> number_of_;  // of the part with this tensor
};

}  // namespace

GgufFile open_gguf(const std::string& path, FileAccess access, const std::function<bool()>& interrupted,
                   const Progress& progress) {
  GgufFile given = open_file(path, access, interrupted, progress);
  const Split split = in_file(path, [&] { return read_split(given.metadata); });
  if (split.count <= 1) return given;
  in_file(path, [&] { check_name(path, split); });
  check_all_exist(path, split.count);
  const auto open_part = [&](int64_t index) {
    return index == split.index ? std::move(given)
                                : open_file(part_path(path, index + 1), access, interrupted, progress);
  };
  const std::string first_path = part_path(path, 1);
  GgufFile first = open_part(0);
  const Split expected = in_file(first_path, [&] { return read_split(first.metadata); });
  in_file(first_path, [&] { check_format(expected.index == 0, "key \"split.no\": expected 0, got ", expected.index); });
  in_file(path, [&] { check_same("split.count", expected.count, split.count); });
  Joiner joiner(std::move(first), expected);
  for (int64_t i = 1; i < split.count; ++i) {
    GgufFile part = open_part(i);
    in_file(part_path(path, i + 1), [&] { joiner.add(std::move(part)); });
  }
  return in_file(first_path, [&] { return joiner.finish(); });
}

}  // namespace gesso::io
