#include "io/file_kind.h"

#include <algorithm>
#include <cctype>
#include <string>

namespace gesso::io {
namespace {

struct Kind {
  std::string_view begin;  // in lower case
  std::string_view what;
};

constexpr std::string_view kPickle = "a PyTorch file: it is a program that loading would run; save it as safetensors";
constexpr std::string_view kWebPage = "a web page: the download gave a page, perhaps one for logging in";
constexpr std::string_view kOldGgml = "a GGML file from before 2023, which has another layout: convert the model anew";
constexpr std::string_view kArchive = "a compressed archive: unpack it first";

constexpr Kind kKinds[] = {
    {"version https://git-lfs.github.com", "a Git LFS pointer, not the file itself: `git lfs pull` gets the file"},
    {"<!doctype", kWebPage},
    {"<html", kWebPage},
    {"<?xml", "an XML document: the download gave a message of the server"},
    {"{\"error", "a JSON document with an error: the download gave a message of the server"},
    {"access to model", "a message of the server: the model needs a login or a licence to be accepted"},
    {"invalid username", "a message of the server: the login was wrong"},
    {"entry not found", "a message of the server: it does not have this file"},
    {"\x80\x02", kPickle},
    {"\x80\x03", kPickle},
    {"\x80\x04", kPickle},
    {"\x1f\x8b", kArchive},
    {"bzh", kArchive},
    {"\xfd"
     "7zxz",
     kArchive},
    {"\x28\xb5\x2f\xfd", kArchive},
    {"7z\xbc\xaf", kArchive},
    {"rar!", kArchive},
    {"lmgg", kOldGgml},
    {"fmgg", kOldGgml},
    {"tjgg", kOldGgml},
    {"algg", kOldGgml},
    {"\x89hdf", "an HDF5 file, of Keras or TensorFlow"},
    {"\x93numpy", "a NumPy array"},
    {"%pdf", "a PDF document"},
};

// A byte of the text, or 0 behind its end.
unsigned char at(std::string_view text, size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0; }

// A safetensors file begins with the length of its header, 8 bytes, and the header is JSON.
bool is_safetensors(std::string_view text) { return at(text, 8) == '{' && at(text, 7) == 0 && at(text, 6) == 0; }

}  // namespace

std::string_view file_kind(std::span<const std::byte> begin) {
  constexpr size_t kEnough = 512;
  std::string text(reinterpret_cast<const char*>(begin.data()), std::min(begin.size(), kEnough));
  if (text.empty()) return "an empty file: the download did not begin";
  if (is_safetensors(text)) return "a safetensors file: give the folder that holds it and its config.json";
  if (std::all_of(text.begin(), text.end(), [](char c) { return c == 0; })) {
    return "zeros: the download was interrupted, so get the file again";
  }
  if (text.starts_with("PK")) {
    return text.find("data.pkl") != std::string::npos ? kPickle : "a ZIP archive: unpack it first";
  }
  text.erase(0, std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const Kind& kind : kKinds) {
    if (text.starts_with(kind.begin)) return kind.what;
  }
  return {};
}

}  // namespace gesso::io
