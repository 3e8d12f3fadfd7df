// Loading in C: progress that is told, loads that are cancelled, and folders.
#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "c_session.h"
#include "gesso/model.h"

namespace {

using gesso::test::InC;
using gesso::test::kModel;
using gesso::test::Loaded;
using gesso::test::said;
using gesso::test::short_options;

struct Report {
  gesso_load_stage stage;
  int64_t done, total;
};

// What a load has told, and after how many reports it is to end.
struct Listener {
  std::vector<Report> reports;
  size_t most = 1000;
  std::vector<Report> of(gesso_load_stage stage) const {
    std::vector<Report> found;
    for (const Report& report : reports) {
      if (report.stage == stage) found.push_back(report);
    }
    return found;
  }
};

int listen(void* user_data, gesso_load_stage stage, int64_t done, int64_t total) {
  auto& listener = *static_cast<Listener*>(user_data);
  listener.reports.push_back({stage, done, total});
  return listener.reports.size() < listener.most;
}

gesso_load_options options_with(Listener& listener, int64_t no_mmap = 0) {
  gesso_load_options options;
  REQUIRE(gesso_load_options_init(&options, sizeof options) == GESSO_OK);
  CHECK((options.on_progress == nullptr));
  options.device = "cpu";
  options.num_threads = 1;
  options.no_mmap = no_mmap;
  options.on_progress = listen;
  options.user_data = &listener;
  return options;
}

}  // namespace

TEST_CASE("a load tells its progress") {
  const auto file_bytes = static_cast<int64_t>(std::filesystem::file_size(kModel));
  for (const int64_t no_mmap : {0, 1}) {
    Listener listener;
    const gesso_load_options options = options_with(listener, no_mmap);
    gesso_model* model = nullptr;
    REQUIRE(gesso_model_load(kModel.c_str(), &options, &model) == GESSO_OK);
    gesso_model_free(model);
    const std::vector<Report> reading = listener.of(GESSO_READING);
    CHECK(reading.empty() == !no_mmap);
    if (no_mmap) CHECK(reading.back().done == file_bytes);
    if (no_mmap) CHECK(reading.back().total == file_bytes);
    CHECK(listener.of(GESSO_COPYING).empty());
    REQUIRE_FALSE(listener.of(GESSO_PREPARING).empty());
    CHECK(listener.of(GESSO_PREPARING)[0].total == 0);
  }
}

TEST_CASE("a load ends when its callback returns 0, whenever that is, and calls it no more") {
  Listener all;
  const gesso_load_options whole = options_with(all, 1);
  gesso_model* model = nullptr;
  REQUIRE(gesso_model_load(kModel.c_str(), &whole, &model) == GESSO_OK);
  gesso_model_free(std::exchange(model, nullptr));
  REQUIRE(all.reports.size() > 2);
  for (size_t most = 1; most <= all.reports.size(); ++most) {
    Listener listener{.reports = {}, .most = most};
    const gesso_load_options options = options_with(listener, 1);
    CHECK(gesso_model_load(kModel.c_str(), &options, &model) == GESSO_INTERRUPTED);
    CHECK(said("interrupted by the caller"));
    CHECK(listener.reports.size() == most);
    CHECK(model == nullptr);
  }
  for (const size_t most : {1, 2}) {  // before the file is read, and with its last bytes
    Listener listener{.reports = {}, .most = most};
    const gesso_load_options options = options_with(listener, 1);
    gesso_checkpoint* checkpoint = nullptr;
    CHECK(gesso_checkpoint_open(kModel.c_str(), &options, &checkpoint) == GESSO_INTERRUPTED);
    CHECK(listener.of(GESSO_READING).size() == most - 1);
    CHECK(checkpoint == nullptr);
  }
}

TEST_CASE("a folder is refused with what to do") {
  gesso_model* model = nullptr;
  CHECK(gesso_model_load("/tmp", nullptr, &model) == GESSO_IO_ERROR);
  CHECK(said("cannot read /tmp: expected a regular file, got a folder. Give the GGUF file in it"));
  CHECK(said("`gesso convert FOLDER MODEL.gguf`"));
  gesso_checkpoint* checkpoint = nullptr;
  CHECK(gesso_checkpoint_open("/tmp", nullptr, &checkpoint) == GESSO_IO_ERROR);
  CHECK(said("gesso convert"));
  CHECK(checkpoint == nullptr);
}

TEST_CASE("a model tells its sizes and defaults") {
  Loaded loaded;
  const gesso::Model same = gesso::Model::load(kModel, {"cpu", 1});
  CHECK(gesso_model_weight_bytes(loaded.model) == same.weight_bytes());
  CHECK(gesso_model_scratch_bytes(loaded.model) == gesso::scratch_bytes(same.config()));
  CHECK(gesso_model_cache_bytes(loaded.model, 100) == gesso::cache_bytes(same.config(), 100));
  const int64_t context = gesso_model_context_length(loaded.model);
  CHECK(context == same.config().max_position_embeddings);
  CHECK(gesso_model_cache_bytes(loaded.model, context) > 0);
  CHECK(gesso_model_cache_bytes(loaded.model, context + 1) == 0);
  CHECK(gesso_model_cache_bytes(loaded.model, -1) == 0);
  CHECK(gesso_model_num_threads(loaded.model) == 1);
  gesso_options options;
  REQUIRE(gesso_model_options(loaded.model, &options, sizeof options) == GESSO_OK);
  const gesso::GenerationDefaults& defaults = same.config().generation;
  CHECK(options.max_denoising_steps == defaults.max_denoising_steps);
  CHECK(options.max_new_tokens == defaults.max_new_tokens);
  CHECK(options.t_max == defaults.t_max);
  CHECK(options.confidence_threshold == defaults.confidence_threshold);
  CHECK(options.end_token_ids == nullptr);
  size_t count = 0;
  const int32_t* end_tokens = gesso_model_end_tokens(loaded.model, &count);
  CHECK(std::vector<int32_t>(end_tokens, end_tokens + count) == defaults.end_token_ids);
}

TEST_CASE("statuses, versions and devices have names") {
  CHECK(gesso_status_name(GESSO_OK) == std::string("GESSO_OK"));
  CHECK(gesso_status_name(GESSO_BUSY_ERROR) == std::string("GESSO_BUSY_ERROR"));
  CHECK(gesso_status_name(GESSO_INTERRUPTED) == std::string("GESSO_INTERRUPTED"));
  for (const int none : {-1, 12}) CHECK(gesso_status_name(none) == std::string());
  CHECK(gesso_version_number() == GESSO_VERSION_NUMBER);
  CHECK(std::string(gesso_version()).starts_with(std::to_string(GESSO_VERSION_MAJOR) + "."));

  gesso_device_list* list = nullptr;
  REQUIRE(gesso_devices(&list) == GESSO_OK);
  REQUIRE(gesso_device_list_size(list) == gesso::devices().size());
  gesso_device device;
  REQUIRE(gesso_device_list_get(list, 0, &device, sizeof device) == GESSO_OK);
  CHECK(device.name == std::string("cpu"));
  CHECK(device.description == std::string());
  CHECK(device.arch == 0);
  CHECK(gesso_device_list_get(list, gesso_device_list_size(list), &device, sizeof device) == GESSO_ARGUMENT_ERROR);
  CHECK(said("index: expected less than"));
  gesso_device_list_free(list);
  CHECK(gesso_has_cuda() == gesso::has_cuda());
  CHECK(gesso_gpu_problem() == gesso::gpu_problem());
}

TEST_CASE("a message is UTF-8, and does nothing to a terminal, whatever bytes the path has") {
  gesso_model* model = nullptr;
  CHECK(gesso_model_load("no\x1B[31m\xFF\xC3\xA9\xE2\x82"
                         "b\xC2\x9B\xC2\xA0\x7F\xF0\x9F\x98\x80\xE2\x82",
                         nullptr, &model) == GESSO_IO_ERROR);
  CHECK(
      said("cannot open no\\x1b[31m\\xff\xC3\xA9\\xe2\\x82"
           "b\\xc2\\x9b\xC2\xA0\\x7f\xF0\x9F\x98\x80\\xe2\\x82"));
}
