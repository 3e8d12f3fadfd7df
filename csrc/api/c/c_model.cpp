#include "api/c/c_objects.h"
#include "api/c/c_status.h"

void gesso_model_free(gesso_model* model) { delete model; }

const char* gesso_model_device(const gesso_model* model) { return model ? model->model.device().c_str() : ""; }
const char* gesso_model_activations(const gesso_model* model) {
  return model ? model->model.activations().c_str() : "";
}

int64_t gesso_model_vocab_size(const gesso_model* model) { return model ? model->model.config().vocab_size : 0; }
int64_t gesso_model_canvas_length(const gesso_model* model) { return model ? model->model.config().canvas_length : 0; }
int64_t gesso_model_context_length(const gesso_model* model) {
  return model ? model->model.config().max_position_embeddings : 0;
}
int gesso_model_num_threads(const gesso_model* model) { return model ? model->model.num_threads() : 0; }

int64_t gesso_model_weight_bytes(const gesso_model* model) { return model ? model->model.weight_bytes() : 0; }

int64_t gesso_model_scratch_bytes(const gesso_model* model) {
  int64_t bytes = 0;
  if (model) gesso::c::guarded([&] { bytes = gesso::scratch_bytes(model->model.config()); });
  return bytes;
}

int64_t gesso_model_cache_bytes(const gesso_model* model, int64_t length) {
  int64_t bytes = 0;
  if (length < 0 || length > gesso_model_context_length(model)) return 0;
  if (model) gesso::c::guarded([&] { bytes = gesso::cache_bytes(model->model.config(), length); });
  return bytes;
}

const gesso_checkpoint* gesso_model_checkpoint(const gesso_model* model) {
  return model ? &model->checkpoint : nullptr;
}
