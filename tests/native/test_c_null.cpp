// Every function of the C interface with NULL for each object and output that it needs, and every struct with a size
// that it cannot have.
#include <doctest/doctest.h>

#include <cstddef>
#include <cstring>
#include <string>
#include <vector>

#include "c_engine.h"
#include "c_session.h"

namespace {

using gesso::test::InC;
using gesso::test::kModel;
using gesso::test::kPrompt;
using gesso::test::Loaded;
using gesso::test::said;
using gesso::test::Serving;

struct Call {
  const char* expected;  // what the message names
  gesso_status status;
  std::string message = gesso_last_error();
};

void check_refused(const std::vector<Call>& calls) {
  for (const Call& call : calls) {
    CHECK(call.status == GESSO_ARGUMENT_ERROR);
    CHECK_MESSAGE(call.message.find(std::string(call.expected) + ": expected") == 0, call.message);
  }
}

struct Outputs {
  int64_t number = 7;
  double real = 7;
  size_t count = 7;
  const char* text = nullptr;
  int32_t ids[3] = {1, 2, 3};
};

}  // namespace

TEST_CASE("NULL in functions of files and models") {
  Loaded loaded(GESSO_BUNDLED_MODEL);
  const gesso_checkpoint* checkpoint = gesso_model_checkpoint(loaded.model);
  const char* key = "general.architecture";
  Outputs out;
  gesso_model* model = nullptr;
  gesso_checkpoint* opened = nullptr;
  gesso_tensor tensor;
  gesso_device_list* list = nullptr;
  gesso_device device;
  REQUIRE(gesso_devices(&list) == GESSO_OK);
  check_refused({
      {"path", gesso_model_load(nullptr, nullptr, &model)},
      {"out", gesso_model_load(kModel.c_str(), nullptr, nullptr)},
      {"path", gesso_checkpoint_open(nullptr, nullptr, &opened)},
      {"out", gesso_checkpoint_open(kModel.c_str(), nullptr, nullptr)},
      {"checkpoint", gesso_checkpoint_load(nullptr, nullptr, &model)},
      {"out", gesso_checkpoint_load(checkpoint, nullptr, nullptr)},
      {"checkpoint", gesso_checkpoint_value(nullptr, key, nullptr, 0, &out.count)},
      {"key", gesso_checkpoint_value(checkpoint, nullptr, nullptr, 0, &out.count)},
      {"count", gesso_checkpoint_value(checkpoint, key, nullptr, 0, nullptr)},
      {"checkpoint", gesso_checkpoint_int(nullptr, key, &out.number)},
      {"key", gesso_checkpoint_int(checkpoint, nullptr, &out.number)},
      {"value", gesso_checkpoint_int(checkpoint, key, nullptr)},
      {"checkpoint", gesso_checkpoint_float(nullptr, key, &out.real)},
      {"key", gesso_checkpoint_float(checkpoint, nullptr, &out.real)},
      {"value", gesso_checkpoint_float(checkpoint, key, nullptr)},
      {"checkpoint", gesso_checkpoint_text(nullptr, key, 0, &out.text, &out.count)},
      {"key", gesso_checkpoint_text(checkpoint, nullptr, 0, &out.text, &out.count)},
      {"text", gesso_checkpoint_text(checkpoint, key, 0, nullptr, &out.count)},
      {"length", gesso_checkpoint_text(checkpoint, key, 0, &out.text, nullptr)},
      {"checkpoint", gesso_checkpoint_ints(nullptr, key, nullptr, 0, &out.count)},
      {"key", gesso_checkpoint_ints(checkpoint, nullptr, nullptr, 0, &out.count)},
      {"count", gesso_checkpoint_ints(checkpoint, key, nullptr, 0, nullptr)},
      {"checkpoint", gesso_checkpoint_floats(nullptr, key, nullptr, 0, &out.count)},
      {"key", gesso_checkpoint_floats(checkpoint, nullptr, nullptr, 0, &out.count)},
      {"count", gesso_checkpoint_floats(checkpoint, key, nullptr, 0, nullptr)},
      {"checkpoint", gesso_checkpoint_tensor(nullptr, 0, &tensor, sizeof tensor)},
      {"gesso_tensor", gesso_checkpoint_tensor(checkpoint, 0, nullptr, sizeof tensor)},
      {"out", gesso_devices(nullptr)},
      {"list", gesso_device_list_get(nullptr, 0, &device, sizeof device)},
      {"gesso_device", gesso_device_list_get(list, 0, nullptr, sizeof device)},
      {"gesso_load_options", gesso_load_options_init(nullptr, sizeof(gesso_load_options))},
      {"source", gesso_quantize_file(nullptr, "/nothing", "F16", nullptr)},
      {"target", gesso_quantize_file(kModel.c_str(), nullptr, "F16", nullptr)},
      {"preset", gesso_quantize_file(kModel.c_str(), "/nothing", nullptr, nullptr)},
      {"gesso_quantize_options", gesso_quantize_options_init(nullptr, sizeof(gesso_quantize_options))},
  });
  CHECK(model == nullptr);
  CHECK(opened == nullptr);
  CHECK(out.number == 7);
  CHECK(out.real == 7);
  CHECK(out.count == 7);
  CHECK(gesso_checkpoint_num_keys(nullptr) == 0);
  CHECK(gesso_checkpoint_key(nullptr, 0) == nullptr);
  CHECK(gesso_checkpoint_value_type(nullptr, key) == GESSO_VALUE_NONE);
  CHECK(gesso_checkpoint_value_type(checkpoint, nullptr) == GESSO_VALUE_NONE);
  CHECK(gesso_checkpoint_num_tensors(nullptr) == 0);
  CHECK(gesso_device_list_size(nullptr) == 0);
  gesso_device_list_free(list);
  gesso_device_list_free(nullptr);
  gesso_checkpoint_free(nullptr);
  gesso_model_free(nullptr);
}

TEST_CASE("NULL in functions of tokens") {
  Loaded loaded(GESSO_BUNDLED_MODEL);
  Outputs out;
  gesso_decoder *decoder = nullptr, *made = nullptr;
  REQUIRE(gesso_decoder_create(loaded.model, 0, &decoder) == GESSO_OK);
  const char *texts[] = {"1"}, *no_text = nullptr;
  const gesso_message message = {"user", "1"}, no_role = {nullptr, "1"}, no_content = {"user", nullptr};
  const uint8_t flag = 1;
  const size_t one = 1;
  check_refused({
      {"model", gesso_token_text(nullptr, 1, &out.text, &out.count)},
      {"text", gesso_token_text(loaded.model, 1, nullptr, &out.count)},
      {"length", gesso_token_text(loaded.model, 1, &out.text, nullptr)},
      {"model", gesso_token_piece(nullptr, 1, nullptr, 0, &out.count)},
      {"count", gesso_token_piece(loaded.model, 1, nullptr, 0, nullptr)},
      {"model", gesso_encode(nullptr, "1", nullptr, 0, &out.count)},
      {"text", gesso_encode(loaded.model, nullptr, nullptr, 0, &out.count)},
      {"count", gesso_encode(loaded.model, "1", nullptr, 0, nullptr)},
      {"model", gesso_encode_parts(nullptr, texts, &flag, 1, nullptr, 0, &out.count)},
      {"texts", gesso_encode_parts(loaded.model, nullptr, &flag, 1, nullptr, 0, &out.count)},
      {"parse_special", gesso_encode_parts(loaded.model, texts, nullptr, 1, nullptr, 0, &out.count)},
      {"model", gesso_encode_bytes(nullptr, texts, &one, &flag, 1, nullptr, 0, &out.count)},
      {"texts", gesso_encode_bytes(loaded.model, nullptr, &one, &flag, 1, nullptr, 0, &out.count)},
      {"texts[0]", gesso_encode_bytes(loaded.model, &no_text, &one, &flag, 1, nullptr, 0, &out.count)},
      {"num_bytes", gesso_encode_bytes(loaded.model, texts, nullptr, &flag, 1, nullptr, 0, &out.count)},
      {"parse_special", gesso_encode_bytes(loaded.model, texts, &one, nullptr, 1, nullptr, 0, &out.count)},
      {"count", gesso_encode_bytes(loaded.model, texts, &one, &flag, 1, nullptr, 0, nullptr)},
      {"messages", gesso_encode_chat(loaded.model, nullptr, 1, 0, 1, nullptr, 0, &out.count)},
      {"messages[0].role", gesso_encode_chat(loaded.model, &no_role, 1, 0, 1, nullptr, 0, &out.count)},
      {"messages[0].content", gesso_encode_chat(loaded.model, &no_content, 1, 0, 1, nullptr, 0, &out.count)},
      {"model", gesso_encode_chat(nullptr, &message, 1, 0, 1, nullptr, 0, &out.count)},
      {"count", gesso_encode_chat(loaded.model, &message, 1, 0, 1, nullptr, 0, nullptr)},
      {"model", gesso_decode(nullptr, out.ids, 1, nullptr, 0, &out.count)},
      {"ids", gesso_decode(loaded.model, nullptr, 1, nullptr, 0, &out.count)},
      {"count", gesso_decode(loaded.model, out.ids, 1, nullptr, 0, nullptr)},
      {"model", gesso_decoder_create(nullptr, 0, &made)},
      {"out", gesso_decoder_create(loaded.model, 0, nullptr)},
      {"decoder", gesso_decoder_push(nullptr, out.ids, 1, &out.text, &out.count)},
      {"text", gesso_decoder_push(decoder, out.ids, 1, nullptr, &out.count)},
      {"length", gesso_decoder_push(decoder, out.ids, 1, &out.text, nullptr)},
      {"decoder", gesso_decoder_flush(nullptr, &out.text, &out.count)},
      {"text", gesso_decoder_flush(decoder, nullptr, &out.count)},
      {"length", gesso_decoder_flush(decoder, &out.text, nullptr)},
  });
  CHECK(out.count == 7);
  CHECK(out.text == nullptr);
  CHECK(made == nullptr);
  gesso_decoder_free(decoder);
  gesso_decoder_free(nullptr);
  for (const auto special : {gesso_model_bos, gesso_model_eos, gesso_model_unk, gesso_model_pad}) {
    CHECK(special(nullptr) == -1);
  }
  CHECK(gesso_model_add_bos(nullptr) == 0);
  CHECK(gesso_model_find_token(nullptr, "1") == -1);
  CHECK(gesso_token_is_special(nullptr, 1) == 0);
  CHECK(gesso_model_end_tokens(nullptr, &out.count) == nullptr);
  CHECK(out.count == 0);
  CHECK(gesso_model_end_tokens(loaded.model, nullptr) != nullptr);
  CHECK(gesso_model_chat_template(nullptr, nullptr) == nullptr);
  for (const auto size : {gesso_model_vocab_size, gesso_model_canvas_length, gesso_model_context_length,
                          gesso_model_weight_bytes, gesso_model_scratch_bytes}) {
    CHECK(size(nullptr) == 0);
  }
  CHECK(gesso_model_cache_bytes(nullptr, 0) == 0);
  CHECK(gesso_model_num_threads(nullptr) == 0);
  CHECK(gesso_model_checkpoint(nullptr) == nullptr);
  CHECK(gesso_model_device(nullptr) == std::string());
  CHECK(gesso_model_activations(nullptr) == std::string());
}

TEST_CASE("NULL in functions of sessions and results") {
  Loaded loaded;
  InC in_c(loaded.model);
  gesso_session* session = in_c.session;
  const gesso_session* none = nullptr;
  gesso_session* made = nullptr;
  gesso_result* result = nullptr;
  gesso_bytes* bytes = nullptr;
  gesso_profile* profile = nullptr;
  gesso_timings timings;
  gesso_op_profile op;
  gesso_options options;
  const gesso_ids list = {kPrompt, 3};
  Outputs out;
  float logit = 0;
  check_refused({
      {"model", gesso_session_create(nullptr, 1, &made)},
      {"out", gesso_session_create(loaded.model, 1, nullptr)},
      {"session", gesso_session_length(none, 0, &out.number)},
      {"length", gesso_session_length(session, 0, nullptr)},
      {"session", gesso_session_ids(none, 0, nullptr, 0, &out.count)},
      {"count", gesso_session_ids(session, 0, nullptr, 0, nullptr)},
      {"session", gesso_session_cache_bytes(none, &out.number)},
      {"num_bytes", gesso_session_cache_bytes(session, nullptr)},
      {"session", gesso_session_set_poll(nullptr, nullptr, nullptr)},
      {"session", gesso_session_encode(nullptr, &list, 1)},
      {"lists", gesso_session_encode(session, nullptr, 1)},
      {"session", gesso_session_denoise(nullptr, out.ids, 3, 0, &logit, 1)},
      {"canvas", gesso_session_denoise(session, nullptr, 3, 0, &logit, 1)},
      {"logits", gesso_session_denoise(session, out.ids, 3, 0, nullptr, 1)},
      {"session", gesso_session_generate(nullptr, &list, 1, nullptr, &result)},
      {"lists", gesso_session_generate(session, nullptr, 1, nullptr, &result)},
      {"results", gesso_session_generate(session, &list, 1, nullptr, nullptr)},
      {"session", gesso_session_fork(none, &made)},
      {"out", gesso_session_fork(session, nullptr)},
      {"session", gesso_session_rewind(nullptr, &out.number, 1)},
      {"lengths", gesso_session_rewind(session, nullptr, 1)},
      {"session", gesso_session_save(none, "/tmp/gesso_test_never_written")},
      {"path", gesso_session_save(session, nullptr)},
      {"path", gesso_session_check_save(nullptr)},
      {"model", gesso_session_load(nullptr, "x", &made)},
      {"path", gesso_session_load(loaded.model, nullptr, &made)},
      {"out", gesso_session_load(loaded.model, "x", nullptr)},
      {"model", gesso_session_load_polled(nullptr, "x", nullptr, nullptr, &made)},
      {"path", gesso_session_load_polled(loaded.model, nullptr, nullptr, nullptr, &made)},
      {"out", gesso_session_load_polled(loaded.model, "x", nullptr, nullptr, nullptr)},
      {"session", gesso_session_save_bytes(none, &bytes)},
      {"out", gesso_session_save_bytes(session, nullptr)},
      {"model", gesso_session_load_bytes(nullptr, "x", 1, &made)},
      {"data", gesso_session_load_bytes(loaded.model, nullptr, 1, &made)},
      {"out", gesso_session_load_bytes(loaded.model, "x", 1, nullptr)},
      {"model", gesso_session_load_bytes_polled(nullptr, "x", 1, nullptr, nullptr, &made)},
      {"data", gesso_session_load_bytes_polled(loaded.model, nullptr, 1, nullptr, nullptr, &made)},
      {"out", gesso_session_load_bytes_polled(loaded.model, "x", 1, nullptr, nullptr, nullptr)},
      {"session", gesso_session_set_profiling(nullptr, 1)},
      {"session", gesso_session_take_profile(nullptr, &profile)},
      {"out", gesso_session_take_profile(session, nullptr)},
      {"profile", gesso_profile_get(nullptr, 0, &op, sizeof op)},
      {"model", gesso_generate(nullptr, kPrompt, 3, nullptr, &result)},
      {"prompt", gesso_generate(loaded.model, nullptr, 3, nullptr, &result)},
      {"out", gesso_generate(loaded.model, kPrompt, 3, nullptr, nullptr)},
      {"model", gesso_generate_text(nullptr, "1", nullptr, &result)},
      {"prompt", gesso_generate_text(loaded.model, nullptr, nullptr, &result)},
      {"out", gesso_generate_text(loaded.model, "1", nullptr, nullptr)},
      {"result", gesso_result_timings(nullptr, &timings, sizeof timings)},
      {"gesso_options", gesso_options_init(nullptr, sizeof options)},
      {"model", gesso_model_options(nullptr, &options, sizeof options)},
      {"gesso_options", gesso_model_options(loaded.model, nullptr, sizeof options)},
  });
  CHECK(made == nullptr);
  CHECK(result == nullptr);
  CHECK(bytes == nullptr);
  CHECK(profile == nullptr);
  CHECK(out.number == 7);
  CHECK(out.count == 7);
  CHECK(in_c.ids().empty());
  CHECK(gesso_session_batch_size(nullptr) == 0);
  CHECK(gesso_profile_size(nullptr) == 0);
  CHECK(gesso_bytes_data(nullptr, &out.count) == nullptr);
  CHECK(out.count == 0);
  CHECK(gesso_result_ids(nullptr, nullptr) == nullptr);
  CHECK(gesso_result_prompt(nullptr, nullptr) == nullptr);
  CHECK(gesso_result_text(nullptr) == nullptr);
  CHECK(gesso_result_canvas(nullptr, 0, nullptr) == nullptr);
  CHECK(gesso_result_canvas_steps(nullptr, 0) == 0);
  CHECK(gesso_result_seed(nullptr) == 0);
  CHECK(gesso_result_tokens_per_forward(nullptr) == 0);
  CHECK(gesso_result_denoising_steps(nullptr) == 0);
  CHECK(gesso_result_prompt_tokens(nullptr) == 0);
  CHECK(gesso_result_cached_tokens(nullptr) == 0);
  gesso_session_free(nullptr);
  gesso_bytes_free(nullptr);
  gesso_profile_free(nullptr);
  gesso_result_free(nullptr);
}

TEST_CASE("NULL in the functions of engines that came later") {
  Serving serving(0);
  InC session(serving.loaded.model);
  gesso_request* request = nullptr;
  gesso_event* event = nullptr;
  const gesso_request* submitted = serving.submit();
  check_refused({
      {"engine", gesso_engine_submit_session(nullptr, session.session, kPrompt, 3, nullptr, &request)},
      {"session", gesso_engine_submit_session(serving.engine, nullptr, kPrompt, 3, nullptr, &request)},
      {"ids", gesso_engine_submit_session(serving.engine, session.session, nullptr, 3, nullptr, &request)},
      {"out", gesso_engine_submit_session(serving.engine, session.session, kPrompt, 3, nullptr, nullptr)},
      {"engine", gesso_engine_close_within(nullptr, 0, nullptr)},
      {"request", gesso_request_next(nullptr, 0, &event)},
      {"out", gesso_request_next(submitted, 0, nullptr)},
  });
  CHECK(request == nullptr);
  CHECK(event == nullptr);
  CHECK(gesso_engine_max_running(nullptr) == 0);
  gesso_event_free(nullptr);
}

// The sizes of structs that the library fills, and one function of each. Those of options have tests of their own, in
// test_c_api.cpp and test_c_engine_arguments.cpp.
TEST_CASE("a struct that the library fills has a size that it knows, and gets no more than that") {
  Loaded loaded;
  InC session(loaded.model);
  gesso_options short_one = gesso::test::short_options();
  gesso_result* result = nullptr;
  const gesso_ids list = {kPrompt, 3};
  REQUIRE(gesso_session_set_profiling(session.session, 1) == GESSO_OK);
  REQUIRE(gesso_session_generate(session.session, &list, 1, &short_one, &result) == GESSO_OK);
  gesso_profile* profile = nullptr;
  REQUIRE(gesso_session_take_profile(session.session, &profile) == GESSO_OK);
  gesso_device_list* devices = nullptr;
  REQUIRE(gesso_devices(&devices) == GESSO_OK);
  const auto check_sizes = [&](const std::string& name, auto example, auto fill) {
    struct {
      decltype(example) known;
      int64_t added;
    } larger;
    for (const size_t size : {size_t{0}, size_t{8}, sizeof example - 1, size_t{4097}, SIZE_MAX}) {
      std::memset(&larger, 0x5a, sizeof larger);
      CHECK(fill(&larger.known, size) == GESSO_ARGUMENT_ERROR);
      CHECK_MESSAGE(said(name + ".struct_size: expected " + std::to_string(sizeof example)), gesso_last_error());
      CHECK(larger.known.struct_size == static_cast<size_t>(0x5a5a5a5a5a5a5a5a));
    }
    REQUIRE(fill(&larger.known, sizeof example) == GESSO_OK);
    CHECK(larger.known.struct_size == sizeof example);
    CHECK(larger.added == 0x5a5a5a5a5a5a5a5a);
    REQUIRE(fill(&larger.known, sizeof larger) == GESSO_OK);  // of a newer header
    CHECK(larger.known.struct_size == sizeof larger);
    CHECK(larger.added == 0);
  };
  check_sizes("gesso_tensor", gesso_tensor(), [&](gesso_tensor* out, size_t size) {
    return gesso_checkpoint_tensor(gesso_model_checkpoint(loaded.model), 0, out, size);
  });
  check_sizes("gesso_device", gesso_device(),
              [&](gesso_device* out, size_t size) { return gesso_device_list_get(devices, 0, out, size); });
  check_sizes("gesso_timings", gesso_timings(),
              [&](gesso_timings* out, size_t size) { return gesso_result_timings(result, out, size); });
  check_sizes("gesso_op_profile", gesso_op_profile(),
              [&](gesso_op_profile* out, size_t size) { return gesso_profile_get(profile, 0, out, size); });
  gesso_device_list_free(devices);
  gesso_profile_free(profile);
  gesso_result_free(result);
}

TEST_CASE("fields of structs that came later stay where they are") {
  if (sizeof(void*) != 8) return;
  CHECK(offsetof(gesso_load_options, on_progress) == 48);
  CHECK(offsetof(gesso_load_options, user_data) == 56);
  CHECK(offsetof(gesso_options, on_step_event) == 80);
  CHECK(offsetof(gesso_options, end_token_ids) == 96);
  CHECK(offsetof(gesso_options, seeds) == 112);
  CHECK(offsetof(gesso_options, canvas) == 128);
  CHECK(offsetof(gesso_options, num_pins) == 152);
  CHECK(offsetof(gesso_options, on_poll) == 160);
  CHECK(offsetof(gesso_options, num_stop) == 176);
  CHECK(offsetof(gesso_request_options, keep_events) == 56);
  CHECK(offsetof(gesso_step_event, length) == 72);
  CHECK(offsetof(gesso_canvas_event, text_length) == 56);
  CHECK(offsetof(gesso_event, text_length) == 96);
  CHECK(offsetof(gesso_tensor, offset) == 80);
  CHECK(offsetof(gesso_device, shares_host_memory) == 56);
  CHECK(offsetof(gesso_timings, steps) == 40);
  CHECK(offsetof(gesso_op_profile, int8_operations) == 80);
}

// A program that was compiled with the first header, whose structs end earlier.
TEST_CASE("options of the first header are fine, and what is behind them is not read") {
  Loaded loaded;
  gesso_options options;
  const size_t first_size = offsetof(gesso_options, user_data) + sizeof(void*);
  std::memset(static_cast<void*>(&options), 0x5a, sizeof options);
  REQUIRE(gesso_options_init(&options, first_size) == GESSO_OK);
  options.max_new_tokens = 1;
  options.max_denoising_steps = 1;
  CHECK(loaded.generate(&options) == GESSO_OK);
  Serving serving(0);
  gesso_request_options request_options = serving.options;
  request_options.struct_size = offsetof(gesso_request_options, keep_events);
  request_options.keep_events = 0x5a;
  gesso_request* request = nullptr;
  CHECK(gesso_engine_submit(serving.engine, kPrompt, 3, &request_options, &request) == GESSO_OK);
  gesso_request_free(request);
}
