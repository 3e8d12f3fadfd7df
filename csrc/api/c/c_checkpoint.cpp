#include <charconv>
#include <cstddef>
#include <type_traits>

#include "api/c/c_objects.h"
#include "api/c/c_status.h"
#include "api/c/sized_struct.h"
#include "io/gguf.h"

using gesso::check;
using gesso::check_format;
using gesso::NumberArray;
using gesso::c::check_pointer;
using gesso::c::guarded;
using gesso::io::MetadataValue;

namespace {

using Texts = std::vector<std::string_view>;

constexpr size_t kFirstTensorSize = offsetof(gesso_tensor, offset) + sizeof(uint64_t);
static_assert(sizeof(gesso_tensor) == kFirstTensorSize, "fill it up with a reserved field");

// What a key has; FormatError if there is no such key.
const MetadataValue& find(const gesso_checkpoint* checkpoint, const char* key) {
  check_pointer(checkpoint, "checkpoint");
  check_pointer(key, "key");
  const MetadataValue* value = checkpoint->checkpoint.file().metadata.find(key);
  check_format(value != nullptr, "missing key ", gesso::io::quoted(key));
  return *value;
}

[[noreturn]] void fail_kind(const char* key, const char* expected, const MetadataValue& got) {
  throw gesso::FormatError(
      gesso::concat("key ", gesso::io::quoted(key), ": expected ", expected, ", got ", gesso::io::described(got)));
}

gesso_value_type type_of(const MetadataValue& value) {
  struct Type {
    gesso_value_type operator()(std::monostate) const { return GESSO_VALUE_OTHER; }
    gesso_value_type operator()(bool) const { return GESSO_VALUE_BOOL; }
    gesso_value_type operator()(int64_t) const { return GESSO_VALUE_INT; }
    gesso_value_type operator()(double) const { return GESSO_VALUE_FLOAT; }
    gesso_value_type operator()(std::string_view) const { return GESSO_VALUE_TEXT; }
    gesso_value_type operator()(const NumberArray& numbers) const {
      return numbers.is_float() ? GESSO_VALUE_FLOATS : GESSO_VALUE_INTS;
    }
    gesso_value_type operator()(const Texts&) const { return GESSO_VALUE_TEXTS; }
  };
  return std::visit(Type(), value);
}

// Values as people read them. A float has the fewest digits that give it back; one that a file stores in 32 bits shows
// those of 32 bits: 0.1, not 0.10000000149011612.
struct Shown {
  std::string& out;

  void number(auto value) const {
    char digits[32];
    out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  }
  void operator()(std::monostate) const { out += "an array of arrays"; }
  void operator()(bool value) const { out += value ? "true" : "false"; }
  void operator()(int64_t value) const { number(value); }
  void operator()(double value) const {
    const auto narrow = static_cast<float>(value);
    static_cast<double>(narrow) == value ? number(narrow) : number(value);
  }
  void operator()(std::string_view value) const { out += value; }
  void operator()(const NumberArray& numbers) const {
    list(numbers.size,
         [&](size_t i) { numbers.is_float() ? (*this)(numbers.at<double>(i)) : number(numbers.at<int64_t>(i)); });
  }
  void operator()(const Texts& texts) const {
    list(texts.size(), [&](size_t i) { out += gesso::io::quoted(texts[i]); });
  }
  void list(size_t size, const auto& show) const {
    out += '[';
    for (size_t i = 0; i < size; ++i) {
      if (i > 0) out += ", ";
      show(i);
    }
    out += ']';
  }
};

template <typename T>
void give_numbers(const gesso_checkpoint* checkpoint, const char* key, T* out, size_t capacity, size_t* count) {
  check_pointer(count, "count");
  const MetadataValue& value = find(checkpoint, key);
  if (const auto* texts = std::get_if<Texts>(&value)) {
    *count = texts->size();
    return;
  }
  const auto* numbers = std::get_if<NumberArray>(&value);
  if (!numbers || (std::is_integral_v<T> && numbers->is_float())) {
    fail_kind(key, std::is_integral_v<T> ? "an array of integers" : "an array of numbers", value);
  }
  for (size_t i = 0; out && i < std::min(capacity, numbers->size); ++i) out[i] = numbers->at<T>(i);
  *count = numbers->size;
}

}  // namespace

void gesso_checkpoint_free(gesso_checkpoint* checkpoint) { delete checkpoint; }

size_t gesso_checkpoint_num_keys(const gesso_checkpoint* checkpoint) {
  return checkpoint ? checkpoint->keys.size() : 0;
}

const char* gesso_checkpoint_key(const gesso_checkpoint* checkpoint, size_t index) {
  return index < gesso_checkpoint_num_keys(checkpoint) ? checkpoint->keys[index].c_str() : nullptr;
}

gesso_value_type gesso_checkpoint_value_type(const gesso_checkpoint* checkpoint, const char* key) {
  gesso_value_type type = GESSO_VALUE_NONE;
  if (!checkpoint || !key) return type;
  guarded([&] {
    if (const MetadataValue* value = checkpoint->checkpoint.file().metadata.find(key)) type = type_of(*value);
  });
  return type;
}

gesso_status gesso_checkpoint_value(const gesso_checkpoint* checkpoint, const char* key, char* text, size_t capacity,
                                    size_t* count) {
  return guarded([&] {
    check_pointer(count, "count");
    std::string shown;
    std::visit(Shown{shown}, find(checkpoint, key));
    gesso::c::give_text(shown, text, capacity, count);
  });
}

gesso_status gesso_checkpoint_int(const gesso_checkpoint* checkpoint, const char* key, int64_t* out) {
  return guarded([&] {
    check_pointer(out, "value");
    const MetadataValue& value = find(checkpoint, key);
    if (const auto* integer = std::get_if<int64_t>(&value)) {
      *out = *integer;
    } else if (const auto* flag = std::get_if<bool>(&value)) {
      *out = *flag;
    } else {
      fail_kind(key, "an integer", value);
    }
  });
}

gesso_status gesso_checkpoint_float(const gesso_checkpoint* checkpoint, const char* key, double* out) {
  return guarded([&] {
    check_pointer(out, "value");
    const MetadataValue& value = find(checkpoint, key);
    if (const auto* number = std::get_if<double>(&value)) {
      *out = *number;
    } else if (const auto* integer = std::get_if<int64_t>(&value)) {
      *out = static_cast<double>(*integer);
    } else {
      fail_kind(key, "a number", value);
    }
  });
}

gesso_status gesso_checkpoint_text(const gesso_checkpoint* checkpoint, const char* key, size_t index, const char** text,
                                   size_t* length) {
  return guarded([&] {
    check_pointer(text, "text");
    check_pointer(length, "length");
    const MetadataValue& value = find(checkpoint, key);
    const auto* single = std::get_if<std::string_view>(&value);
    const auto* texts = std::get_if<Texts>(&value);
    if (!single && !texts) fail_kind(key, "a text", value);
    const size_t size = single ? 1 : texts->size();
    gesso::c::check_index(index, size);
    const std::string_view chosen = single ? *single : (*texts)[index];
    *text = chosen.data() ? chosen.data() : "";
    *length = chosen.size();
  });
}

gesso_status gesso_checkpoint_ints(const gesso_checkpoint* checkpoint, const char* key, int64_t* values,
                                   size_t capacity, size_t* count) {
  return guarded([&] { give_numbers(checkpoint, key, values, capacity, count); });
}

gesso_status gesso_checkpoint_floats(const gesso_checkpoint* checkpoint, const char* key, double* values,
                                     size_t capacity, size_t* count) {
  return guarded([&] { give_numbers(checkpoint, key, values, capacity, count); });
}

size_t gesso_checkpoint_num_tensors(const gesso_checkpoint* checkpoint) {
  return checkpoint ? checkpoint->tensors.size() : 0;
}

gesso_status gesso_checkpoint_tensor(const gesso_checkpoint* checkpoint, size_t index, gesso_tensor* tensor,
                                     size_t struct_size) {
  return guarded([&] {
    check_pointer(checkpoint, "checkpoint");
    gesso::c::check_index(index, checkpoint->tensors.size());
    const gesso::Checkpoint::TensorInfo& info = checkpoint->tensors[index];
    gesso_tensor shown = {.struct_size = sizeof shown,
                          .name = info.name.c_str(),
                          .type = info.type.c_str(),
                          .rank = std::ssize(info.shape),
                          .shape = {1, 1, 1, 1},
                          .num_bytes = static_cast<int64_t>(info.num_bytes),
                          .data = info.data,
                          .offset = info.offset};
    std::copy(info.shape.begin(), info.shape.end(), shown.shape);
    gesso::init_struct("gesso_tensor", tensor, struct_size, shown, kFirstTensorSize);
  });
}
