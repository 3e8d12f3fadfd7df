// What the files of the C interface share: its objects, its statuses, and its options.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gesso/engine.h"
#include "gesso/gesso.h"
#include "gesso/model.h"

struct gesso_model {
  gesso::Model model;
};

struct gesso_result {
  gesso::Result result;
  std::optional<std::string> text;
};

namespace gesso::c {

// Keeps the message for gesso_last_error(), and returns the status.
gesso_status fail(gesso_status status, const char* message) noexcept;
const char* last_error();

// Runs `body` and turns whatever it throws into a status.
template <typename Body>
gesso_status guarded(const Body& body) noexcept {
  try {
    body();
    return GESSO_OK;
  } catch (const FormatError& error) {
    return fail(GESSO_FORMAT_ERROR, error.what());
  } catch (const ArgumentError& error) {
    return fail(GESSO_ARGUMENT_ERROR, error.what());
  } catch (const IoError& error) {
    return fail(GESSO_IO_ERROR, error.what());
  } catch (const NumericsError& error) {
    return fail(GESSO_NUMERICS_ERROR, error.what());
  } catch (const CudaError& error) {
    return fail(GESSO_CUDA_ERROR, error.what());
  } catch (const BusyError& error) {
    return fail(GESSO_BUSY_ERROR, error.what());
  } catch (const QueueFull& error) {
    return fail(GESSO_QUEUE_FULL, error.what());
  } catch (const DeadlineExceeded& error) {
    return fail(GESSO_DEADLINE_EXCEEDED, error.what());
  } catch (const OutOfMemory& error) {
    return fail(GESSO_OUT_OF_MEMORY, error.what());
  } catch (const std::bad_alloc&) {
    return fail(GESSO_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& error) {
    return fail(GESSO_OTHER_ERROR, error.what());
  } catch (...) {
    return fail(GESSO_OTHER_ERROR, "unknown error");
  }
}

void check_pointer(const void* pointer, const char* name);
// ArgumentError for NULL, and for a length that is no prompt's.
std::vector<int32_t> copy_prompt(const int32_t* prompt, size_t length);
// A field that says yes or no.
bool to_bool(const char* name, int64_t value);
// ArgumentError when the model has none.
const Tokenizer& tokenizer_of(const gesso_model* model);
std::vector<int32_t> prompt_ids(const gesso_model* model, std::string_view prompt);

gesso_options default_options();
void init_options(gesso_options* options, size_t struct_size);
// The caller's options, of any version; the defaults for NULL. The result does not need `options` any more.
GenerationOptions to_options(const gesso_options* options);

// The caller frees it. Without a tokenizer it has no text.
gesso_result* make_result(Result result, const std::optional<Tokenizer>& tokenizer);

}  // namespace gesso::c
