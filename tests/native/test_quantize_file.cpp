// Files with other types. tests/downstream/test_quantize_tool.py compares them byte for byte with those of the Python
// package.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "folder.h"
#include "gesso/error.h"
#include "gesso/model.h"
#include "gesso/presets.h"
#include "gesso/quantize_file.h"
#include "gesso/weight_scales.h"

namespace gesso {
namespace {

namespace fs = std::filesystem;
using test::content;
using test::Folder;

TEST_CASE("a model in every preset can be loaded, and has the tensors that were told") {
  const Folder folder;
  for (const Preset& preset : presets()) {
    CAPTURE(preset.name);
    const std::string path = folder.file("a.gguf");
    const QuantizedFile file = quantize_file(GESSO_BUNDLED_MODEL, path, preset.name);
    const Checkpoint written = Checkpoint::open(path);
    CHECK(std::get<int64_t>(written.value("general.file_type")) == preset.file_type);
    const auto infos = written.tensors();
    REQUIRE(infos.size() == file.tensors.size());
    uint64_t bytes = 0;
    for (size_t i = 0; i < infos.size(); ++i) {
      CHECK(infos[i].name == file.tensors[i].tensor.name);
      CHECK(infos[i].type == file.tensors[i].tensor.type);
      CHECK(infos[i].num_bytes == file.tensors[i].num_bytes);
      bytes += infos[i].num_bytes;
    }
    CHECK(file.num_bytes == bytes);
    const bool has_base =
        std::any_of(infos.begin(), infos.end(), [&](const auto& x) { return x.type == preset.base_type; });
    CHECK(has_base);
    CHECK_NOTHROW(Model(written, {.device = "cpu"}));
    CHECK(folder.num_files() == 1);
  }
}

TEST_CASE("the bytes depend neither on the threads nor on how the source is read") {
  const Folder folder;
  quantize_file(GESSO_BUNDLED_MODEL, folder.file("a"), "NVFP4", {.num_threads = 1});
  quantize_file(GESSO_BUNDLED_MODEL, folder.file("b"), "NVFP4", {.num_threads = 3, .mmap = false});
  CHECK(content(folder.file("a")) == content(folder.file("b")));
  CHECK(content(folder.file("a")).size() > 1000);
}

TEST_CASE("progress goes up to the end, and a dry run tells the same without a file") {
  const Folder folder;
  uint64_t last = 0, total = 0;
  QuantizeFileOptions options;
  options.progress = [&](uint64_t done, uint64_t all, const std::string& tensor) {
    CHECK(done > last);
    CHECK_FALSE(tensor.empty());
    last = done;
    total = all;
  };
  const QuantizedFile written = quantize_file(GESSO_BUNDLED_MODEL, folder.file("a"), "Q4_0", options);
  CHECK(last == written.num_bytes);
  CHECK(total == written.num_bytes);
  last = 0;
  options.dry_run = true;
  const QuantizedFile planned = quantize_file(GESSO_BUNDLED_MODEL, folder.file("b"), "Q4_0", options);
  CHECK(planned.num_bytes == written.num_bytes);
  CHECK(planned.tensors.size() == written.tensors.size());
  CHECK(last == 0);
  CHECK(folder.num_files() == 1);
}

TEST_CASE("an interrupted call leaves what was there") {
  const Folder folder;
  std::ofstream(folder.file("a")) << "GGUF precious";
  bool is_writing = false;
  QuantizeFileOptions options;
  options.progress = [&](uint64_t, uint64_t, const std::string&) { is_writing = true; };
  options.interrupted = [&] { return is_writing; };
  CHECK_THROWS_AS(quantize_file(GESSO_BUNDLED_MODEL, folder.file("a"), "F16", options), Interrupted);
  CHECK(content(folder.file("a")) == "GGUF precious");
  CHECK(folder.num_files() == 1);
}

TEST_CASE("what a callback throws arrives as it is") {
  const Folder folder;
  QuantizeFileOptions options;
  options.progress = [](uint64_t, uint64_t, const std::string&) { throw ArgumentError("mine"); };
  CHECK_THROWS_WITH_AS(quantize_file(GESSO_BUNDLED_MODEL, folder.file("a"), "F16", options), "mine", ArgumentError);
  CHECK(folder.num_files() == 0);
}

TEST_CASE("what cannot be quantised is refused, and no file is left") {
  const Folder folder;
  const std::string model = folder.file("model"), link = folder.file("link"), out = folder.file("out");
  fs::copy_file(GESSO_BUNDLED_MODEL, model);
  fs::create_symlink(model, link);
  for (const std::string& target : {model, link, (folder.path / "." / "model").string()}) {
    CHECK_THROWS_WITH_AS(quantize_file(model, target, "F16"),
                         (target + ": the file to write is the one to read").c_str(), ArgumentError);
  }
  CHECK_THROWS_AS(quantize_file(model, out, "Q4"), ArgumentError);
  CHECK_THROWS_AS(quantize_file(model, out, "F16", {.num_threads = -1}), ArgumentError);
  CHECK_THROWS_AS(quantize_file(model, out, "F16", {.imatrix = model}), FormatError);
  CHECK_THROWS_AS(quantize_file(folder.file("missing"), out, "F16"), IoError);
  CHECK_THROWS_AS(quantize_file(model, folder.file("missing/out"), "F16"), IoError);
  fs::resize_file(model, fs::file_size(model) / 2);
  CHECK_THROWS_AS(quantize_file(model, out, "F16"), FormatError);
  CHECK(folder.num_files() == 2);
}

TEST_CASE("weight scales come and go with the types of their matrices") {
  using Values = PlannedTensor::Values;
  const std::vector<GgufTensor> tensors = {
      {"blk.0.attn_q.weight", "NVFP4", {4, 64}},      {"blk.0.attn_q.scale", "F32", {1}},
      {"blk.0.attn_q.input_scale", "F32", {1}},       {"blk.0.attn_k.weight", "F32", {4, 64}},
      {"blk.0.ffn_gate_inp.weight", "BF16", {4, 64}}, {"blk.0.ffn_gate_inp.scale", "F32", {64}}};
  const std::vector<PlannedTensor> plan =
      plan_tensors(tensors, std::vector<std::string>{"F16", "F32", "F32", "NVFP4", "F32", "F32"});
  std::vector<std::string> names;
  for (const PlannedTensor& planned : plan) names.push_back(planned.tensor.name);
  CHECK(names == std::vector<std::string>{"blk.0.attn_q.weight", "blk.0.attn_k.weight", "blk.0.attn_k.scale",
                                          "blk.0.ffn_gate_inp.weight", "blk.0.ffn_gate_inp.scale"});
  CHECK(plan[0].values == Values::kMultiplied);
  CHECK(plan[0].scale == 1);
  CHECK(plan[1].values == Values::kDivided);
  CHECK(plan[2].values == Values::kNewScale);
  CHECK(plan[2].source == 3);
  CHECK(plan[2].scale == -1);
  CHECK(plan[3].values == Values::kCopied);
  CHECK_THROWS_AS(plan_tensors(tensors, {}), ArgumentError);
}

TEST_CASE("types of tensors with names that mean nothing") {
  const std::vector<GgufTensor> tensors = {{"", "F32", {2, 256}},
                                           {"blk..weight", "F32", {2, 256}},
                                           {"blk.99999999999999999999.attn_v.weight", "F32", {2, 256}},
                                           {"blk.-1.attn_v.weight", "F32", {2, 256}},
                                           {"blk.0.attn_v.weight", "F32", {2, 256}},
                                           {"empty", "F32", {}}};
  const std::vector<std::string> types = plan_types("Q4_K_M", tensors);
  CHECK(types == std::vector<std::string>{"Q4_K", "Q4_K", "Q4_K", "Q4_K", "Q6_K", "F32"});
}

}  // namespace
}  // namespace gesso
