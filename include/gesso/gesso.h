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

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define GESSO_API __attribute__((visibility("default")))
#else
#define GESSO_API
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
      7,               /* a step's numbers are not finite: a weight is NaN or infinite, or numbers grow too large */
  GESSO_BUSY_ERROR = 8 /* an object is in use by another call. In C every generation has a session of its own, so
                          only a callback that uses a session of C++ may cause it */
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
} gesso_load_options;
/* Fills in the defaults. struct_size must be sizeof(gesso_load_options). */
GESSO_API gesso_status gesso_load_options_init(gesso_load_options* options, size_t struct_size);

/* Opens a GGUF file, or all parts of a split one, of which `path` may be any. If the model runs on a GPU, its weights
 * are copied there. If options is NULL, the defaults hold. */
GESSO_API gesso_status gesso_model_load(const char* path, const gesso_load_options* options, gesso_model** out);
/* "cpu" or, for example, "cuda:0"; valid as long as the model. */
GESSO_API const char* gesso_model_device(const gesso_model* model);
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

/* Called after each denoising step, on the thread that called gesso_generate. It gets the canvas as it would be
 * committed now (`length` ids), and for each id whether this step accepted it (1) or not (0). Returning 0 ends the
 * generation; the canvas is committed as it stands. A callback may call every function of this header: it may generate
 * with the same model, and it may free the model. The library has copied the prompt and the options. */
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
/* How many denoising passes the generation took. */
GESSO_API int64_t gesso_result_denoising_steps(const gesso_result* result);

#ifdef __cplusplus
}
#endif

#endif /* GESSO_GESSO_H */
