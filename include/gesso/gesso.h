/* The C interface of gesso, in plain C99. Every object is opaque and freed by its own function.
 *
 *   gesso_model* model = NULL;
 *   if (gesso_model_load("model.gguf", NULL, &model) != GESSO_OK) { puts(gesso_last_error()); return 1; }
 *   gesso_options options;
 *   gesso_options_init(&options, sizeof options);
 *   options.seed = 7;
 *   gesso_result* result = NULL;
 *   if (gesso_generate_text(model, "1.3...", &options, &result) == GESSO_OK) puts(gesso_result_text(result));
 *   gesso_result_free(result);
 *   gesso_model_free(model);
 *
 * No call ever throws, exits or prints. A call that fails returns a status other than GESSO_OK, leaves its outputs
 * untouched and keeps a message for gesso_last_error().
 *
 * Structs of options begin with their size, so that a later version of the library can add fields at the end. Fill one
 * with its _init function, then set what you want to change. The library accepts the structs of older headers: fields
 * that these lack have their defaults. It accepts the structs of newer headers as long as the fields that it does not
 * know are zero.
 */
#ifndef GESSO_GESSO_H
#define GESSO_GESSO_H

#include <stddef.h>
#include <stdint.h>

#include "gesso/export.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum gesso_status {
  GESSO_OK = 0,
  GESSO_FORMAT_ERROR = 1,   /* the content of a file is not what it must be */
  GESSO_ARGUMENT_ERROR = 2, /* an argument is out of range, or NULL where an object is needed */
  GESSO_IO_ERROR = 3,       /* a file cannot be opened or mapped */
  GESSO_OUT_OF_MEMORY = 4,
  GESSO_OTHER_ERROR = 5,
  GESSO_CUDA_ERROR = 6, /* a call of the CUDA runtime failed, or a kernel failed */
  GESSO_NUMERICS_ERROR =
      7,                /* a step's numbers are not finite: a weight is NaN or infinite, or numbers grow too large */
  GESSO_BUSY_ERROR = 8, /* an object is in use by another call: an engine runs a pass, or the call comes from one of its
                           callbacks and would wait for itself; a session of C++ */
  GESSO_QUEUE_FULL = 9, /* an engine has as many waiting requests as it may have; try again later */
  GESSO_DEADLINE_EXCEEDED = 10 /* a request's deadline passed before its first canvas was done */
} gesso_status;

/* A loaded model. It is immutable: any number of threads and callbacks may use it at the same time. A generation that
 * is under way keeps what it needs of its model, so its callback may free the model, and so may another thread then. No
 * function may get a model that was freed. */
typedef struct gesso_model gesso_model;
/* What one generation wrote. It is immutable, too, and does not need its model. */
typedef struct gesso_result gesso_result;

/* The message of the last failed call of this thread. It is valid until its next one. Empty before the first. */
GESSO_API const char* gesso_last_error(void);
/* The library's version, for example "0.1.0". */
GESSO_API const char* gesso_version(void);

typedef struct gesso_load_options {
  size_t struct_size;       /* set by gesso_load_options_init */
  const char* device;       /* "cpu", "cuda", "cuda:1", or "auto" (also NULL), which takes a GPU if there is one */
  const char* activations;  /* how products round their inputs: "f32" or "int8" on the CPU, "bf16" or "int8" on a GPU.
                               "auto" (also NULL) is "int8" on the CPU and the faster one on a GPU; see gesso/model.h */
  int num_threads;          /* 0: one for each processor that this process may use, within its control group's quota */
  int exact_soft_embedding; /* 1: the CPU keeps the least probable tokens, too; see gesso/model.h. 0 is the default */
  int64_t no_mmap;          /* 0: the file is mapped. Nobody may change it until the model is freed: the system ends the
                               process if the file is cut off. 1: it is read into memory, which it then takes */
  int64_t copy_weights;     /* 1: also a GPU that shares the host's memory gets a copy of the weights; see
                               gesso/model.h. 0 is the default */
} gesso_load_options;
/* Fills in the defaults. struct_size must be sizeof(gesso_load_options). */
GESSO_API gesso_status gesso_load_options_init(gesso_load_options* options, size_t struct_size);

/* Opens a GGUF file, or all parts of a split one, of which `path` may be any. If the model runs on a GPU, its weights
 * are copied there. If options is NULL, the defaults hold. */
GESSO_API gesso_status gesso_model_load(const char* path, const gesso_load_options* options, gesso_model** out);
/* "cpu" or, for example, "cuda:0"; valid as long as the model. */
GESSO_API const char* gesso_model_device(const gesso_model* model);
/* Why a GPU of this machine cannot be used, for example because its driver is too old. A model that is loaded with
 * "auto" runs on the CPU then. Empty where nothing is wrong, also without a GPU or a driver. It is valid until this
 * thread's next call. */
GESSO_API const char* gesso_gpu_problem(void);
/* "f32", "bf16" or "int8"; valid as long as the model. */
GESSO_API const char* gesso_model_activations(const gesso_model* model);
GESSO_API void gesso_model_free(gesso_model* model); /* NULL is fine; results stay valid */
GESSO_API int64_t gesso_model_vocab_size(const gesso_model* model);
GESSO_API int64_t gesso_model_canvas_length(const gesso_model* model);

/* Turns UTF-8 text into token ids. Writes at most `capacity` ids, and always sets *count to how many there are. Special
 * tokens that are written out in the text, such as "<turn|>", become their ids. So use gesso_encode_parts for a text
 * that others have written. */
GESSO_API gesso_status gesso_encode(const gesso_model* model, const char* text, int32_t* ids, size_t capacity,
                                    size_t* count);
/* The same for a text that comes in `num_parts` parts. parse_special[i] says whether a special token that is written
 * out in texts[i] becomes its id (1), or is text as any other (0), as it should be in what a user wrote. For example,
 * the texts "<|turn>user\n", message, "<turn|>\n" with 1, 0, 1. */
GESSO_API gesso_status gesso_encode_parts(const gesso_model* model, const char* const* texts,
                                          const uint8_t* parse_special, size_t num_parts, int32_t* ids, size_t capacity,
                                          size_t* count);
/* Turns ids into UTF-8 text with a closing NUL. Sets *count to the bytes that the text and the NUL need. If that is
 * more than `capacity`, nothing is written. Special tokens are left out. */
GESSO_API gesso_status gesso_decode(const gesso_model* model, const int32_t* ids, size_t num_ids, char* text,
                                    size_t capacity, size_t* count);

/* Called after each denoising step, on the thread that called gesso_generate, or that runs an engine's passes. It gets
 * the canvas as it would be committed now (`length` ids), and for each id whether this step accepted it (1) or not (0).
 * Returning 0 ends the generation; the canvas is committed as it stands. A callback may call every function of this
 * header: it may generate with the same model, and it may free the model. The library has copied the prompt and the
 * options. */
typedef int (*gesso_step_callback)(void* user_data, int64_t canvas, int64_t step, const int32_t* argmax,
                                   const uint8_t* accepted, size_t length);

/* A negative number stands for the checkpoint's value, or for the reference's where the checkpoint has none.
 * gesso/options.h has a table of the options, with their bounds. */
typedef struct gesso_options {
  size_t struct_size;          /* set by gesso_options_init */
  int64_t max_new_tokens;      /* rounded up to whole canvases; 256 if negative */
  int64_t max_denoising_steps; /* per canvas */
  float entropy_bound;         /* nats: a step accepts tokens until their entropies add up to more */
  float t_min;                 /* the temperature falls towards this value */
  float t_max;                 /* the temperature of a canvas' first step */
  int64_t stability_threshold; /* a canvas may stop when its argmax stayed the same for so many steps */
  float confidence_threshold;  /* nats: at the same time its mean entropy must be below this */
  uint64_t seed;
  gesso_step_callback on_step; /* may be NULL */
  void* user_data;             /* handed to on_step */
} gesso_options;
/* Fills in the defaults. struct_size must be sizeof(gesso_options). */
GESSO_API gesso_status gesso_options_init(gesso_options* options, size_t struct_size);

/* Continues a prompt of token ids, or of text (a <bos> is put in front if the model wants one). Special tokens that are
 * written out in a prompt of text become their ids. If options is NULL, the defaults hold. */
GESSO_API gesso_status gesso_generate(const gesso_model* model, const int32_t* prompt, size_t prompt_length,
                                      const gesso_options* options, gesso_result** out);
GESSO_API gesso_status gesso_generate_text(const gesso_model* model, const char* prompt, const gesso_options* options,
                                           gesso_result** out);
GESSO_API void gesso_result_free(gesso_result* result); /* NULL is fine */
/* The new tokens, up to the first end token and without it; valid until the result is freed. */
GESSO_API const int32_t* gesso_result_ids(const gesso_result* result, size_t* count);
/* The same as text; NULL when the model has no tokenizer. */
GESSO_API const char* gesso_result_text(const gesso_result* result);
/* Why the text ends: "stop" (an end token), "length" (all canvases are there), "cancelled" (by a callback or by
 * gesso_request_cancel; a canvas is missing, or the last one was committed before it settled) or "deadline" (its time
 * was over; all canvases are whole). It is valid for ever. */
GESSO_API const char* gesso_result_finish_reason(const gesso_result* result);
/* How many denoising steps the generation took, of all canvases together. */
GESSO_API int64_t gesso_result_denoising_steps(const gesso_result* result);
/* The committed canvases: gesso_model_canvas_length ids each, padded behind an end token. For an index that is not from
 * 0 to gesso_result_num_canvases - 1 it is NULL, and *count is 0. Valid until the result is freed. */
GESSO_API int64_t gesso_result_num_canvases(const gesso_result* result);
GESSO_API const int32_t* gesso_result_canvas(const gesso_result* result, int64_t index, size_t* count);
/* The tokens of the prompt; those of them whose keys and values an engine had kept of other prompts; the new tokens. */
GESSO_API int64_t gesso_result_prompt_tokens(const gesso_result* result);
GESSO_API int64_t gesso_result_cached_tokens(const gesso_result* result);
GESSO_API int64_t gesso_result_completion_tokens(const gesso_result* result);

/* An engine serves many requests at once: every pass over the weights computes whatever rows are ready. A request's
 * text is bit for bit the one that gesso_generate writes.
 *
 *   gesso_engine* engine = NULL;
 *   gesso_request* request = NULL;
 *   gesso_result* result = NULL;
 *   if (gesso_engine_create(model, NULL, &engine) == GESSO_OK &&
 *       gesso_engine_submit_text(engine, "1.3...", NULL, &request) == GESSO_OK &&
 *       gesso_request_result(request, &result) == GESSO_OK) {
 *     puts(gesso_result_text(result));
 *   } else {
 *     puts(gesso_last_error());
 *   }
 *   gesso_result_free(result);
 *   gesso_request_free(request);
 *   gesso_engine_free(engine);
 *
 * Any number of threads may call an engine at the same time, and so may its callbacks, but no function may get an
 * engine that was freed. An engine keeps what it needs of its model, which may be freed before. */
typedef struct gesso_engine gesso_engine;
/* A request that was submitted. Any number of threads may call it at the same time. It stays valid until it is freed,
 * also when its engine is freed before: that ends all of its requests as gesso_request_cancel does. */
typedef struct gesso_request gesso_request;

typedef struct gesso_engine_options {
  size_t struct_size;   /* set by gesso_engine_options_init */
  int64_t max_running;  /* how many requests have a place in the passes at a time. 0, or a number that is too large: as
                           many as their canvases fit a pass */
  int64_t max_queued;   /* how many requests may wait for a place: 1024. More are refused with GESSO_QUEUE_FULL */
  int64_t memory_bytes; /* what the requests' caches may take together, at their most. 0: half of what is free */
  int64_t prefix_bytes; /* what may be kept of prompts for requests that begin alike. 0: nothing. Negative: a quarter of
                           memory_bytes, which then are not for the requests' caches */
  int64_t has_thread;   /* 1: the engine runs its passes on a thread of its own. 0: gesso_engine_run_once runs them, and
                           so do gesso_engine_drain, gesso_request_wait and gesso_request_result */
} gesso_engine_options;
/* Fills in the defaults. struct_size must be sizeof(gesso_engine_options). */
GESSO_API gesso_status gesso_engine_options_init(gesso_engine_options* options, size_t struct_size);

/* Called after each canvas, on the thread that runs the passes. It gets the committed ids (`length`, padded behind an
 * end token), the steps that they took, and whether they have an end token (1). Returning 0 ends the request. */
typedef int (*gesso_canvas_callback)(void* user_data, int64_t canvas, int64_t denoising_steps, int finished,
                                     const int32_t* ids, size_t length);

typedef struct gesso_request_options {
  size_t struct_size;              /* set by gesso_request_options_init */
  const gesso_options* generation; /* with on_step; NULL: the defaults. It is copied, and so is all that follows */
  double deadline;                 /* in seconds from the submission; 0: none. When it passes before the first canvas is
                                      done, the request ends with GESSO_DEADLINE_EXCEEDED, and later with the canvases
                                      that are done */
  int64_t priority;                /* a request with a higher one gets a place first; it must fit an int */
  const char* key;                 /* whose request it is: the keys that wait share the passes equally. NULL: "" */
  gesso_canvas_callback on_canvas; /* may be NULL */
  void* user_data;                 /* handed to on_canvas; on_step gets that of gesso_options */
} gesso_request_options;
/* Fills in the defaults. struct_size must be sizeof(gesso_request_options). */
GESSO_API gesso_status gesso_request_options_init(gesso_request_options* options, size_t struct_size);

/* If options is NULL, the defaults hold. */
GESSO_API gesso_status gesso_engine_create(const gesso_model* model, const gesso_engine_options* options,
                                           gesso_engine** out);
/* Closes and frees the engine. NULL is fine. A callback of the engine may do it, too. */
GESSO_API void gesso_engine_free(gesso_engine* engine);
/* Adds a request, as gesso_generate or gesso_generate_text would run it, and does not wait for it. If options is NULL,
 * the defaults hold. GESSO_OUT_OF_MEMORY when its cache could be larger than memory_bytes, GESSO_QUEUE_FULL. The caller
 * must free the request. A callback may submit requests. */
GESSO_API gesso_status gesso_engine_submit(gesso_engine* engine, const int32_t* prompt, size_t prompt_length,
                                           const gesso_request_options* options, gesso_request** out);
GESSO_API gesso_status gesso_engine_submit_text(gesso_engine* engine, const char* prompt,
                                                const gesso_request_options* options, gesso_request** out);
/* Runs one pass on the calling thread. Sets *has_run, which may be NULL, to 0 if there was nothing to do, or to 1.
 * GESSO_ARGUMENT_ERROR if the engine has a thread, GESSO_BUSY_ERROR while another thread runs a pass and in a callback.
 */
GESSO_API gesso_status gesso_engine_run_once(gesso_engine* engine, int* has_run);
/* Waits until all requests have ended, for at most `seconds`, or without an end if they are negative. Sets *done, which
 * may be NULL, to 1 if they have, or to 0. GESSO_BUSY_ERROR in a callback. */
GESSO_API gesso_status gesso_engine_drain(gesso_engine* engine, double seconds, int* done);
/* Ends all requests as gesso_request_cancel does, and the engine's thread. Further requests are refused. */
GESSO_API gesso_status gesso_engine_close(gesso_engine* engine);
/* Forgets what is kept of prompts. */
GESSO_API gesso_status gesso_engine_forget_prefixes(gesso_engine* engine);

/* What an engine has done since it was made, and what it holds now. */
typedef struct gesso_counters {
  size_t struct_size;
  int64_t passes;
  int64_t canvas_rows, prompt_rows, committed_rows; /* that passes computed, by what they were of */
  int64_t canvases, denoising_steps;                /* canvases that were committed, and the steps that they took */
  int64_t submitted, refused;                       /* requests; refused: GESSO_QUEUE_FULL */
  /* Requests that have ended, by how: as "stop", "length", "cancelled", "deadline", as GESSO_DEADLINE_EXCEEDED, or with
   * another error. */
  int64_t stopped, full_length, cancelled, late, exceeded, failed;
  int64_t waiting, running;           /* requests now */
  double wait_seconds;                /* from the submission to the first place, of `begun` requests */
  double first_canvas_seconds;        /* from the submission to the first canvas, of `had_first_canvas` requests */
  int64_t begun, had_first_canvas;    /* requests */
  double pass_seconds;                /* of all passes */
  int64_t cache_bytes, prefix_bytes;  /* now: the caches of running requests, and what is kept of prompts */
  int64_t prefix_hits, prefix_misses; /* requests that began with something that was kept, and others */
  int64_t prefix_hit_tokens;          /* tokens that were not encoded again */
} gesso_counters;
/* Fills in the counters. struct_size must be sizeof(gesso_counters). It does not wait for a pass. */
GESSO_API gesso_status gesso_engine_counters(const gesso_engine* engine, gesso_counters* counters, size_t struct_size);

/* Ends the request. Its result has the canvases that are done by then; a canvas under way is dropped. It takes effect
 * before the next pass, and at once when no other request takes part in the pass under way. */
GESSO_API gesso_status gesso_request_cancel(const gesso_request* request);
/* Waits until the request has ended, for at most `seconds`, or without an end if they are negative. Sets *done, which
 * may be NULL, to 1 if it has ended, or to 0. GESSO_BUSY_ERROR if it would wait in a callback of the request's engine.
 */
GESSO_API gesso_status gesso_request_wait(const gesso_request* request, double seconds, int* done);
/* Waits until the request has ended, and gives its result, which the caller must free. If an error ended the request,
 * it is the status: GESSO_DEADLINE_EXCEEDED, GESSO_NUMERICS_ERROR, GESSO_OUT_OF_MEMORY, GESSO_CUDA_ERROR, or what a
 * callback in C++ threw. */
GESSO_API gesso_status gesso_request_result(const gesso_request* request, gesso_result** out);
/* The request goes on without its handle, unless it was cancelled. NULL is fine. A callback may do it, too. */
GESSO_API void gesso_request_free(gesso_request* request);

#ifdef __cplusplus
}
#endif

#endif /* GESSO_GESSO_H */
