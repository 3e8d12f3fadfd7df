// A model as programs in C hold it. Tests of the C interface begin with it.
#pragma once

#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

#include "gesso/gesso.h"

namespace gesso::test {

inline const std::string kModel = GESSO_MODEL;  // see CMakeLists.txt
inline constexpr int32_t kPrompt[] = {5, 6, 7};

struct Loaded {
  explicit Loaded(const std::string& path = kModel) {
    gesso_load_options options;
    REQUIRE(gesso_load_options_init(&options, sizeof options) == GESSO_OK);
    options.device = "cpu";
    options.num_threads = 1;
    REQUIRE(gesso_model_load(path.c_str(), &options, &model) == GESSO_OK);
  }
  ~Loaded() { gesso_model_free(model); }

  gesso_status generate(const void* options) {
    gesso_result* result = nullptr;
    const gesso_status status = gesso_generate(model, kPrompt, 3, static_cast<const gesso_options*>(options), &result);
    ids.clear();
    if (status != GESSO_OK) return status;
    size_t count = 0;
    const int32_t* first = gesso_result_ids(result, &count);
    ids.assign(first, first + count);
    num_steps = gesso_result_denoising_steps(result);
    gesso_result_free(result);
    return status;
  }

  gesso_model* model = nullptr;
  std::vector<int32_t> ids;
  int64_t num_steps = 0;
};

// Whether the last error of this thread has this text.
inline bool said(const std::string& text) { return std::strstr(gesso_last_error(), text.c_str()) != nullptr; }

}  // namespace gesso::test
