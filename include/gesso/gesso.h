/* The C interface of gesso, in plain C99. Every object is opaque and freed by its own function. docs/c_api.md is a
 * guide with a short chat.
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
 * These rules hold for all functions:
 *
 * Errors. No call ever throws, exits or prints; gesso_set_log_callback tells a program what happens. A call that fails
 * returns a status other than GESSO_OK, leaves its outputs untouched and keeps a message for gesso_last_error(). NULL
 * for an object that is needed is GESSO_ARGUMENT_ERROR. Any call that does work may return GESSO_OUT_OF_MEMORY, and
 * GESSO_CUDA_ERROR on a GPU. Functions without a status cannot fail; for NULL they return 0, NULL or "", as it is said
 * there.
 *
 * Ownership. The caller owns each object that a call has put into *out, and frees it with the function of its type;
 * NULL is fine there. What a call is given, it only reads while it runs, and copies what it needs for longer. Texts are
 * UTF-8 and end with a NUL, unless a length goes with them.
 *
 * Lists. A call with `capacity` and `count` writes at most `capacity` items and sets *count to how many there are. So
 * `NULL, 0` for the list and its capacity asks how many there are.
 *
 * Threads. Each type says who may use it at the same time. Functions without an object may be called by any thread at
 * any time. Objects are not bound to the thread that made them.
 *
 * Processes. In a process that fork() has made, models, sessions and results go on to work. An engine and its requests
 * stay behind with the engine's thread: calls with them return GESSO_OTHER_ERROR, closing and freeing them do nothing.
 *
 * Structs of options begin with their size, so that a later version of the library can add fields at the end. Fill one
 * with its _init function, then set what you want to change. The library accepts the structs of older headers: fields
 * that these lack have their defaults. It accepts the structs of newer headers as long as the fields that it does not
 * know are zero. In the same way a struct that the library fills gets as many fields as the caller's has. A new version
 * adds functions, statuses and fields at the end, and changes none that are there.
 */
#ifndef GESSO_GESSO_H
#define GESSO_GESSO_H

#include <stddef.h>
#include <stdint.h>

#include "gesso/export.h"
#include "gesso/version.h"

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
  GESSO_BUSY_ERROR = 8, /* an object is in use by another call: a session is in another thread's call, or the call comes
                           from one of its callbacks; an engine runs a pass, or would wait for itself */
  GESSO_QUEUE_FULL = 9, /* an engine has as many waiting requests as it may have; try again later */
  GESSO_DEADLINE_EXCEEDED = 10, /* a request's deadline passed before its first canvas was done */
  GESSO_INTERRUPTED = 11        /* a callback that a call polls has ended it */
} gesso_status;

/* A loaded model. It is immutable: any number of threads and callbacks may use it at the same time. A generation that
 * is under way keeps what it needs of its model, so its callback may free the model, and so may another thread then. No
 * function may get a model that was freed. */
typedef struct gesso_model gesso_model;
/* What one generation wrote. It is immutable, too: any number of threads may use it. It does not need its model. */
typedef struct gesso_result gesso_result;

/* The message of the last failed call of this thread. It is valid until its next one. Empty before the first. */
GESSO_API const char* gesso_last_error(void);
/* A status as it is written here, for example "GESSO_IO_ERROR"; "" for a number that is none. It is valid for ever. */
GESSO_API const char* gesso_status_name(int status);
/* The library's version, for example "0.1.0", and as GESSO_VERSION_NUMBER. A shared library may be newer than the
 * header that a program was compiled with. */
GESSO_API const char* gesso_version(void);
GESSO_API int gesso_version_number(void);

/* ---------------------------------------------------------------------------------------------- log --------------- */

typedef enum gesso_log_level {
  GESSO_LOG_DEBUG = 1,  /* each pass of a generation: its canvases, rows and time; each request of an engine */
  GESSO_LOG_INFO = 2,   /* what happens once: a file is opened, a model is loaded, an engine is made, a session saved */
  GESSO_LOG_WARNING = 3 /* what a user probably does not want, and should be shown: the machine's GPU is not used */
} gesso_log_level;
/* Gets one message: a sentence or two in UTF-8 for people, without a line break, valid during the call. Its words may
 * change with any version. A call that fails returns a status; the log need not say so, too. */
typedef void (*gesso_log_callback)(void* user_data, gesso_log_level level, const char* message);

/* From now on the callback gets the messages of level `least`, a gesso_log_level, and above, of the whole process. It
 * takes the place of the one before; NULL ends the messages. Before the first call there are none. GESSO_ARGUMENT_ERROR
 * for a level that is none. The callback comes on the threads that call gesso and on the engines' own, also on several
 * at a time. This function waits until no thread is inside the old callback any more; then its user_data may go. So the
 * caller must not hold a lock that the old one takes. In a callback it does not wait. A callback should be quick, and
 * what it calls of gesso is not logged. */
GESSO_API gesso_status gesso_set_log_callback(gesso_log_callback callback, void* user_data, int least);

/* ---------------------------------------------------------------------------------------------- devices ----------- */

/* The devices of this machine as they were when the list was made. It is immutable: any number of threads may use it.
 */
typedef struct gesso_device_list gesso_device_list;
typedef struct gesso_device {
  size_t struct_size;
  const char* name;        /* what gesso_load_options.device takes: "cpu", "cuda:0" */
  const char* description; /* "NVIDIA H200"; "" for the CPU */
  int64_t arch;            /* compute capability, 10 * major + minor; 0 for the CPU */
  int64_t total_bytes;     /* of its memory; 0 for the CPU */
  int64_t free_bytes;
  int64_t used_bytes;         /* taken by gesso in this process */
  int64_t shares_host_memory; /* 1: weights are read where the file is mapped, without a second copy */
} gesso_device;

/* Lists the CPU, and behind it every GPU that models can run on (compute capability 8.0 and later). */
GESSO_API gesso_status gesso_devices(gesso_device_list** out);
GESSO_API size_t gesso_device_list_size(const gesso_device_list* list); /* 0 for NULL */
/* Fills in one of them. struct_size must be sizeof(gesso_device). Its texts are valid as long as the list.
 * GESSO_ARGUMENT_ERROR unless index is below gesso_device_list_size. */
GESSO_API gesso_status gesso_device_list_get(const gesso_device_list* list, size_t index, gesso_device* device,
                                             size_t struct_size);
GESSO_API void gesso_device_list_free(gesso_device_list* list);
/* 1 if this build of the library can use GPUs at all, or 0. */
GESSO_API int gesso_has_cuda(void);

/* ---------------------------------------------------------------------------------------------- loading ----------- */

/* Called while a model is loaded, on the thread that loads it, at least at every 64 MiB that are read or copied.
 * `stage` is GESSO_READING: bytes of a file come into memory, which happens with no_mmap; each part of a split file
 * counts from 0. Or it is GESSO_COPYING: weights go to a GPU. Or it is GESSO_PREPARING: something else is done, and
 * both numbers of bytes are 0. A model that is mapped on the CPU has this stage alone. Returning 0 ends the load with
 * GESSO_INTERRUPTED. It must not use the model, which is not there yet. */
typedef enum gesso_load_stage { GESSO_PREPARING = 0, GESSO_READING = 1, GESSO_COPYING = 2 } gesso_load_stage;
typedef int (*gesso_progress_callback)(void* user_data, gesso_load_stage stage, int64_t done_bytes,
                                       int64_t total_bytes);

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
  gesso_progress_callback on_progress; /* may be NULL */
  void* user_data;                     /* handed to on_progress */
} gesso_load_options;
/* Fills in the defaults. struct_size must be sizeof(gesso_load_options). */
GESSO_API gesso_status gesso_load_options_init(gesso_load_options* options, size_t struct_size);

/* Opens a GGUF file, or all parts of a split one, of which `path` may be any. If the model runs on a GPU, its weights
 * are copied there. If options is NULL, the defaults hold. GESSO_IO_ERROR for what cannot be read, and for a folder:
 * the message says how to make a GGUF file of a Hugging Face checkpoint. GESSO_FORMAT_ERROR for the content,
 * GESSO_ARGUMENT_ERROR for an option. */
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
/* How many tokens a prompt and its canvases may have together. */
GESSO_API int64_t gesso_model_context_length(const gesso_model* model);
/* How many threads one call uses, the caller's own included. All models and callers share the other threads. */
GESSO_API int gesso_model_num_threads(const gesso_model* model);
/* Memory in bytes: of the weights, as they are stored; of the passes of a session or an engine; and the most that the
 * cache of one sequence of `length` tokens takes. The last two are those of the CPU. For NULL all are 0, and so is the
 * cache for a length that is not from 0 to gesso_model_context_length. */
GESSO_API int64_t gesso_model_weight_bytes(const gesso_model* model);
GESSO_API int64_t gesso_model_scratch_bytes(const gesso_model* model);
GESSO_API int64_t gesso_model_cache_bytes(const gesso_model* model, int64_t length);

/* ---------------------------------------------------------------------------------------------- checkpoints ------- */

/* The content of a GGUF file: metadata and tensors. It is immutable: any number of threads may use it at the same time.
 * The file's bytes are held as gesso_load_options.no_mmap says. */
typedef struct gesso_checkpoint gesso_checkpoint;

/* Opens a file without making a model of it, so also one of an architecture that gesso cannot run. Of the options only
 * no_mmap, on_progress and user_data are used. Errors as in gesso_model_load. */
GESSO_API gesso_status gesso_checkpoint_open(const char* path, const gesso_load_options* options,
                                             gesso_checkpoint** out);
/* Makes a model of a checkpoint that is open, which may be freed afterwards. no_mmap is not used. */
GESSO_API gesso_status gesso_checkpoint_load(const gesso_checkpoint* checkpoint, const gesso_load_options* options,
                                             gesso_model** out);
GESSO_API void gesso_checkpoint_free(gesso_checkpoint* checkpoint);
/* What the model was made of. The model owns it, so it is valid as long as the model. NULL for NULL. */
GESSO_API const gesso_checkpoint* gesso_model_checkpoint(const gesso_model* model);

/* How many keys the metadata has, and the name of one, in the order of the file. The name is valid as long as the
 * checkpoint; NULL if the index is too large. */
GESSO_API size_t gesso_checkpoint_num_keys(const gesso_checkpoint* checkpoint);
GESSO_API const char* gesso_checkpoint_key(const gesso_checkpoint* checkpoint, size_t index);

typedef enum gesso_value_type {
  GESSO_VALUE_NONE = 0, /* there is no such key */
  GESSO_VALUE_BOOL = 1,
  GESSO_VALUE_INT = 2,   /* of any width */
  GESSO_VALUE_FLOAT = 3, /* of any width */
  GESSO_VALUE_TEXT = 4,
  GESSO_VALUE_INTS = 5, /* arrays; bools count as integers */
  GESSO_VALUE_FLOATS = 6,
  GESSO_VALUE_TEXTS = 7,
  GESSO_VALUE_OTHER = 8 /* an array of arrays, which gesso does not read */
} gesso_value_type;
/* What kind of value a key has. GESSO_VALUE_NONE also for NULL. */
GESSO_API gesso_value_type gesso_checkpoint_value_type(const gesso_checkpoint* checkpoint, const char* key);
/* A value of any kind as people read it: a text as it is, "true", "30", "0.1", and "[1, 2, 3]" for an array, whose
 * texts are quoted, in ASCII, and cut after 80 bytes. Sets *count to the bytes that the text and its NUL need. If that
 * is more than `capacity`, nothing is written. GESSO_FORMAT_ERROR if there is no such key. */
GESSO_API gesso_status gesso_checkpoint_value(const gesso_checkpoint* checkpoint, const char* key, char* text,
                                              size_t capacity, size_t* count);
/* A single number or bool. GESSO_FORMAT_ERROR if there is no such key, or if its value is of another kind; an integer
 * serves as a float. */
GESSO_API gesso_status gesso_checkpoint_int(const gesso_checkpoint* checkpoint, const char* key, int64_t* value);
GESSO_API gesso_status gesso_checkpoint_float(const gesso_checkpoint* checkpoint, const char* key, double* value);
/* A text, or the one at `index` of an array. It is `length` bytes long, may hold any bytes, also a NUL, and is valid as
 * long as the checkpoint. No NUL is behind it. GESSO_FORMAT_ERROR as above, GESSO_ARGUMENT_ERROR for an index that is
 * too large. For a single text the index is 0. */
GESSO_API gesso_status gesso_checkpoint_text(const gesso_checkpoint* checkpoint, const char* key, size_t index,
                                             const char** text, size_t* length);
/* The numbers of an array; of one of texts only *count is set. GESSO_FORMAT_ERROR as above; integers serve as floats.
 */
GESSO_API gesso_status gesso_checkpoint_ints(const gesso_checkpoint* checkpoint, const char* key, int64_t* values,
                                             size_t capacity, size_t* count);
GESSO_API gesso_status gesso_checkpoint_floats(const gesso_checkpoint* checkpoint, const char* key, double* values,
                                               size_t capacity, size_t* count);

typedef struct gesso_tensor {
  size_t struct_size;
  const char* name;  /* valid as long as the checkpoint, and so are `type` and `data` */
  const char* type;  /* ggml's name: "Q4_K" */
  int64_t rank;      /* 1 to 4 */
  int64_t shape[4];  /* outermost first; 1 behind the rank */
  int64_t num_bytes; /* of the data */
  const void* data;  /* whole blocks, row by row */
  uint64_t offset;   /* of the data in its file or part, in bytes */
} gesso_tensor;
/* How many tensors there are, and one of them, in the order of the file. struct_size must be sizeof(gesso_tensor).
 * GESSO_ARGUMENT_ERROR for an index that is too large. */
GESSO_API size_t gesso_checkpoint_num_tensors(const gesso_checkpoint* checkpoint);
GESSO_API gesso_status gesso_checkpoint_tensor(const gesso_checkpoint* checkpoint, size_t index, gesso_tensor* tensor,
                                               size_t struct_size);

/* ---------------------------------------------------------------------------------------------- quantising -------- */

/* The names of the presets, which decide what types the weights of a file get: "F32", ..., "Q4_K_M". A name is valid as
 * long as the process; NULL if the index is too large. */
GESSO_API const char* gesso_preset_name(size_t index);

/* Called while a file is written, on the thread that writes it, after every few MiB: with the tensor that is written,
 * whose name is valid during the call, the bytes of tensors that are done, and those of all. Returning 0 ends the call
 * with GESSO_INTERRUPTED, and no file is left. */
typedef int (*gesso_quantize_callback)(void* user_data, const char* tensor, int64_t done_bytes, int64_t total_bytes);

typedef struct gesso_quantize_options {
  size_t struct_size;                  /* set by gesso_quantize_options_init */
  const char* imatrix;                 /* the path of an importance matrix; NULL: every column counts the same */
  int num_threads;                     /* 0: as in gesso_load_options. The file does not depend on it */
  int no_mmap;                         /* how the source is opened; as in gesso_load_options */
  gesso_quantize_callback on_progress; /* may be NULL */
  void* user_data;                     /* handed to on_progress */
} gesso_quantize_options;
/* Fills in the defaults. struct_size must be sizeof(gesso_quantize_options). */
GESSO_API gesso_status gesso_quantize_options_init(gesso_quantize_options* options, size_t struct_size);
/* Reads a GGUF file, or all parts of a split one, of which `source` may be any, and writes the model to `target` with
 * the types of a preset. `target` gets its name only when it is complete, in place of a GGUF file that has it. If
 * options is NULL, the defaults hold. GESSO_IO_ERROR for what cannot be read or written, and if `target` is another
 * file than GGUF. GESSO_FORMAT_ERROR for a source that gesso cannot run, for values that a type cannot hold, and for an
 * importance matrix of another model. GESSO_ARGUMENT_ERROR for an unknown preset, for an option, and for a `target`
 * that is one of the files to read. Any number of threads may call it at the same time, with a target each. */
GESSO_API gesso_status gesso_quantize_file(const char* source, const char* target, const char* preset,
                                           const gesso_quantize_options* options);

/* ---------------------------------------------------------------------------------------------- tokens ------------ */

/* The ids of tokens with a meaning, and -1 where the model has none: they begin a text, end one, stand for what has no
 * token, and fill a canvas behind its end. */
GESSO_API int32_t gesso_model_bos(const gesso_model* model);
GESSO_API int32_t gesso_model_eos(const gesso_model* model);
GESSO_API int32_t gesso_model_unk(const gesso_model* model);
GESSO_API int32_t gesso_model_pad(const gesso_model* model);
/* 1 if the model expects gesso_model_bos in front of text that no chat template wrote, or 0. gesso_generate_text adds
 * it, gesso_encode does not. */
GESSO_API int gesso_model_add_bos(const gesso_model* model);
/* The tokens in front of which a text ends, unless gesso_options says others. Valid as long as the model. */
GESSO_API const int32_t* gesso_model_end_tokens(const gesso_model* model, size_t* count);
/* The id of a token as the vocabulary spells it, for example "<turn|>", or -1. Also -1 without a tokenizer. */
GESSO_API int32_t gesso_model_find_token(const gesso_model* model, const char* token);
/* 1 if the token is a mark and no text: a control, unknown or unused token, or a marker of the chat format. 0 for
 * others, and for an id outside the vocabulary. */
GESSO_API int gesso_token_is_special(const gesso_model* model, int32_t id);
/* The token as the vocabulary spells it: a space is U+2581, a byte is "<0x0A>". It is `length` bytes long and valid as
 * long as the model; a NUL is not behind it. GESSO_ARGUMENT_ERROR for an id outside the vocabulary, or without a
 * tokenizer. */
GESSO_API gesso_status gesso_token_text(const gesso_model* model, int32_t id, const char** text, size_t* length);
/* The bytes that the token adds to a text, without a NUL: a space is a space, "<0x0A>" is the byte 10, and a special
 * token is its spelling. They need not be UTF-8 alone; gesso_decoder joins them. Errors as above. */
GESSO_API gesso_status gesso_token_piece(const gesso_model* model, int32_t id, char* bytes, size_t capacity,
                                         size_t* count);

/* Turns UTF-8 text into token ids. Writes at most `capacity` ids, and always sets *count to how many there are. Special
 * tokens that are written out in the text, such as "<turn|>", become their ids. So use gesso_encode_parts for a text
 * that others have written. GESSO_ARGUMENT_ERROR if the text is not UTF-8, if it is longer than 1 GiB, and without a
 * tokenizer. */
GESSO_API gesso_status gesso_encode(const gesso_model* model, const char* text, int32_t* ids, size_t capacity,
                                    size_t* count);
/* The same for a text that comes in `num_parts` parts. parse_special[i] says whether a special token that is written
 * out in texts[i] becomes its id (1), or is text as any other (0), as it should be in what a user wrote. For example,
 * the texts "<|turn>user\n", message, "<turn|>\n" with 1, 0, 1. */
GESSO_API gesso_status gesso_encode_parts(const gesso_model* model, const char* const* texts,
                                          const uint8_t* parse_special, size_t num_parts, int32_t* ids, size_t capacity,
                                          size_t* count);
/* The same for parts of num_bytes[i] bytes each, which need no NUL behind them and may hold one. */
GESSO_API gesso_status gesso_encode_bytes(const gesso_model* model, const char* const* texts, const size_t* num_bytes,
                                          const uint8_t* parse_special, size_t num_parts, int32_t* ids, size_t capacity,
                                          size_t* count);
/* Turns ids into UTF-8 text with a closing NUL. Sets *count to the bytes that the text and the NUL need. If that is
 * more than `capacity`, nothing is written. Special tokens are left out. GESSO_ARGUMENT_ERROR for an id outside the
 * vocabulary, and without a tokenizer. */
GESSO_API gesso_status gesso_decode(const gesso_model* model, const int32_t* ids, size_t num_ids, char* text,
                                    size_t capacity, size_t* count);

/* Decodes ids that arrive a few at a time, for example canvas by canvas. What it gives adds up to gesso_decode of all
 * the ids. It is for one thread at a time, and does not need its model. */
typedef struct gesso_decoder gesso_decoder;
/* keep_special: 1 gives special tokens as they are spelled, 0 leaves them out. GESSO_ARGUMENT_ERROR without a
 * tokenizer. */
GESSO_API gesso_status gesso_decoder_create(const gesso_model* model, int keep_special, gesso_decoder** out);
/* Gives the text that no later id can change, whole characters of UTF-8 with a NUL behind them; it may be empty. *text
 * is `length` bytes long and valid until the decoder's next call. GESSO_ARGUMENT_ERROR for an id outside the
 * vocabulary; then no id was consumed. */
GESSO_API gesso_status gesso_decoder_push(gesso_decoder* decoder, const int32_t* ids, size_t num_ids, const char** text,
                                          size_t* length);
/* Gives what was held back, as if the ids ended here. Afterwards the decoder is as new. */
GESSO_API gesso_status gesso_decoder_flush(gesso_decoder* decoder, const char** text, size_t* length);
GESSO_API void gesso_decoder_free(gesso_decoder* decoder);

/* The Jinja source of the chat template, UTF-8 with a NUL behind it; *length, which may be NULL, is set to its bytes.
 * NULL if the checkpoint has none. Valid as long as the model. gesso does not run it from C: gesso_encode_chat writes
 * what it would, for the templates that it knows. */
GESSO_API const char* gesso_model_chat_template(const gesso_model* model, size_t* length);

/* A message of a conversation. Both are UTF-8 with a NUL behind them. This struct never changes. */
typedef struct gesso_message {
  const char* role;    /* "user" or "assistant"; in the first message also "system" or "developer" */
  const char* content; /* a marker that is spelled in it is text */
} gesso_message;
/* 1 if the model's chat template is, to the byte, one of the three that were published with these models, or that of a
 * model which gesso has made, or 0. */
GESSO_API int gesso_model_knows_chat(const gesso_model* model);
/* The ids of a conversation as the model's chat template writes it, with <bos> in front: without the spaces around
 * messages, and without the thoughts of earlier replies. enable_thinking (1 or 0): whether the model is to think before
 * it answers. add_generation_prompt (1 or 0): whether the prompt ends with the beginning of the model's turn, so that
 * it can be generated. Writes at most `capacity` ids, and always sets *count to how many there are. GESSO_FORMAT_ERROR
 * unless gesso_model_knows_chat: a prompt in another form than the model's gives worse text without an error.
 * GESSO_ARGUMENT_ERROR names the message that is of another role, a system message that is not the first, or a second
 * one of the assistant in a row. Tools need the template itself: see docs/c_api.md. */
GESSO_API gesso_status gesso_encode_chat(const gesso_model* model, const gesso_message* messages, size_t num_messages,
                                         int enable_thinking, int add_generation_prompt, int32_t* ids, size_t capacity,
                                         size_t* count);

/* ---------------------------------------------------------------------------------------------- generation -------- */

/* Called after each denoising step, on the thread that called gesso_generate, or that runs an engine's passes. It gets
 * the canvas as it would be committed now (`length` ids), and for each id whether this step accepted it (1) or not (0).
 * Returning 0 ends the generation; the canvas is committed as it stands. A callback may call every function of this
 * header: it may generate with the same model, and it may free the model. The library has copied the prompt and the
 * options. */
typedef int (*gesso_step_callback)(void* user_data, int64_t canvas, int64_t step, const int32_t* argmax,
                                   const uint8_t* accepted, size_t length);

/* What on_step_event gets: one sequence after one denoising step. It is valid during the callback alone. */
typedef struct gesso_step_event {
  size_t struct_size;
  int64_t sequence;            /* index in the batch */
  int64_t canvas;              /* index among the canvases of this call */
  int64_t step;                /* index within the canvas; the first is 0 */
  int64_t max_denoising_steps; /* of the canvas */
  double mean_entropy;         /* nats, over the positions that are not pinned */
  const int32_t* argmax;       /* `length` ids: the canvas as it would be committed now */
  const uint8_t* accepted;     /* for each: 1 where this step accepted it, or where it is pinned, or 0 */
  const float* entropies;      /* for each: nats */
  size_t length;               /* gesso_model_canvas_length */
} gesso_step_event;
/* Called after each denoising step of each sequence. What it returns and what it may do: see gesso_step_callback. */
typedef int (*gesso_step_event_callback)(void* user_data, const gesso_step_event* event);

/* What on_canvas_event gets: a canvas that was just committed. It is valid during the callback alone. */
typedef struct gesso_canvas_event {
  size_t struct_size;
  int64_t sequence;        /* index in the batch */
  int64_t canvas;          /* index among the canvases of this call */
  int64_t denoising_steps; /* that it took */
  int64_t finished;        /* 1 if it has an end token, or 0 */
  const int32_t* ids;      /* `length` ids, padded behind an end token */
  size_t length;           /* gesso_model_canvas_length */
  int64_t text_length;     /* how many of the ids belong to the text: in front of an end token and of a stop string, as
                              far as max_new_tokens goes */
} gesso_canvas_event;
/* Called after each canvas of each sequence. Returning 0 ends the generation. */
typedef int (*gesso_canvas_event_callback)(void* user_data, const gesso_canvas_event* event);

/* A position of a canvas whose token the caller fixes. It is never changed, and counts neither for the entropy bound
 * nor for stopping. This struct never changes. */
typedef struct gesso_pin {
  int64_t sequence; /* index in the batch */
  int64_t canvas;   /* index among the canvases of the call */
  int64_t position; /* within the canvas: 0 to gesso_model_canvas_length - 1 */
  int64_t id;       /* of the token */
} gesso_pin;

/* Called often by the call that it is given to, on that call's thread: several times per pass, and while a prompt or a
 * file is read. Returning 0 ends the call with GESSO_INTERRUPTED. It must not use the session of the call. */
typedef int (*gesso_poll_callback)(void* user_data);

/* A negative number stands for the checkpoint's value, or for the reference's where the checkpoint has none.
 * gesso/options.h has a table of the options, with their bounds. */
typedef struct gesso_options {
  size_t struct_size;          /* set by gesso_options_init */
  int64_t max_new_tokens;      /* a text ends after so many, also within a canvas; 256 if negative */
  int64_t max_denoising_steps; /* per canvas */
  float entropy_bound;         /* nats: a step accepts tokens until their entropies add up to more */
  float t_min;                 /* the temperature falls towards this value */
  float t_max;                 /* the temperature of a canvas' first step */
  int64_t stability_threshold; /* a canvas may stop when its argmax stayed the same for so many steps */
  float confidence_threshold;  /* nats: at the same time its mean entropy must be below this */
  uint64_t seed;
  gesso_step_callback on_step;                 /* may be NULL */
  void* user_data;                             /* handed to all callbacks of this struct */
  gesso_step_event_callback on_step_event;     /* may be NULL; called behind on_step */
  gesso_canvas_event_callback on_canvas_event; /* may be NULL */
  const int32_t* end_token_ids; /* a text ends in front of the first of these. NULL: those of the checkpoint. A list of
                                   0 ids: a text has all its canvases */
  size_t num_end_token_ids;
  const uint64_t* seeds; /* one for each sequence of a batch. NULL: all have `seed`. Equal prompts with equal seeds give
                            equal texts */
  size_t num_seeds;
  const int32_t* canvas; /* warm start: the first canvas of each sequence begins with these ids, [sequences][canvas
                            length], and not with noise. NULL: with noise */
  size_t num_canvas_ids;
  const gesso_pin* pins; /* in any order, each position once; NULL: none */
  size_t num_pins;
  gesso_poll_callback on_poll; /* may be NULL; also called while the prompt is encoded. With GESSO_INTERRUPTED there is
                                  no result: on_step ends a generation with what it has. An engine does not use it: see
                                  gesso_request_cancel */
  const char* const* stop; /* a text ends in front of the first of these strings, which are not empty; NULL: none. See
                              GenerationOptions::stop in gesso/generation.h */
  size_t num_stop;
} gesso_options;
/* Fills in the defaults. struct_size must be sizeof(gesso_options). */
GESSO_API gesso_status gesso_options_init(gesso_options* options, size_t struct_size);
/* Fills in the numbers that stand for negative ones with this model, to show them. end_token_ids stays NULL: see
 * gesso_model_end_tokens. */
GESSO_API gesso_status gesso_model_options(const gesso_model* model, gesso_options* options, size_t struct_size);

/* Continues a prompt of token ids, or of text (a <bos> is put in front if the model wants one). Special tokens that are
 * written out in a prompt of text become their ids. If options is NULL, the defaults hold. The caller must free the
 * result. GESSO_ARGUMENT_ERROR names the option that is out of its bounds, and is also for an empty prompt, ids outside
 * the vocabulary, more tokens than the context holds, and text without a tokenizer; GESSO_NUMERICS_ERROR. */
GESSO_API gesso_status gesso_generate(const gesso_model* model, const int32_t* prompt, size_t prompt_length,
                                      const gesso_options* options, gesso_result** out);
GESSO_API gesso_status gesso_generate_text(const gesso_model* model, const char* prompt, const gesso_options* options,
                                           gesso_result** out);
GESSO_API void gesso_result_free(gesso_result* result); /* NULL is fine */
/* The new tokens, in front of the first end token and of the first stop string, and at most max_new_tokens; valid until
 * the result is freed. */
GESSO_API const int32_t* gesso_result_ids(const gesso_result* result, size_t* count);
/* The same as text; NULL when the model has no tokenizer. */
GESSO_API const char* gesso_result_text(const gesso_result* result);
/* Why the text ends: "stop" (an end token or a stop string), "length" (max_new_tokens are there), "cancelled" (by a
 * callback or by gesso_request_cancel; a canvas is missing, or the last one was committed before it settled) or
 * "deadline" (its time was over; all canvases are whole). It is valid for ever. */
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
/* All tokens in front of the new ones, those of earlier calls of a session included; valid until the result is freed.
 */
GESSO_API const int32_t* gesso_result_prompt(const gesso_result* result, size_t* count);
/* The steps of one canvas; 0 for an index that is not from 0 to gesso_result_num_canvases - 1. */
GESSO_API int64_t gesso_result_canvas_steps(const gesso_result* result, int64_t index);
/* The seed that it was drawn with, and the tokens that are not padding, divided by the denoising steps. */
GESSO_API uint64_t gesso_result_seed(const gesso_result* result);
GESSO_API double gesso_result_tokens_per_forward(const gesso_result* result);

/* How long a generation took, all sequences of its batch together. */
typedef struct gesso_timings {
  size_t struct_size;
  double encode_ms;       /* of passes that only encode. The first step of a canvas also encodes what is before it */
  double denoise_ms;      /* of passes in which canvases take a step */
  double first_canvas_ms; /* from the call to the first committed canvas */
  const double* step_ms;  /* of each of these passes, callbacks included; valid until the result is freed */
  int64_t steps;          /* passes in which canvases take a step; a large batch needs several for each */
} gesso_timings;
/* Fills in the timings. struct_size must be sizeof(gesso_timings). All are 0 for a request of an engine, whose passes
 * serve others, too: see gesso_engine_counters. */
GESSO_API gesso_status gesso_result_timings(const gesso_result* result, gesso_timings* timings, size_t struct_size);

/* ---------------------------------------------------------------------------------------------- sessions ---------- */

/* A batch of growing sequences with their key-value caches. After an error a session is as it was before the call.
 *
 *   gesso_session* session = NULL;
 *   gesso_result* result = NULL;
 *   const gesso_ids turn = {ids, num_ids};
 *   if (gesso_session_create(model, 1, &session) == GESSO_OK &&
 *       gesso_session_generate(session, &turn, 1, NULL, &result) == GESSO_OK) puts(gesso_result_text(result));
 *   gesso_result_free(result);
 *   gesso_session_free(session);
 *
 * Threads: a session is for one call at a time; give each thread a session of its own. While a call that changes the
 * session is under way, every other call is refused with GESSO_BUSY_ERROR: in another thread, and in the call's own
 * callbacks, which get what they need from their event. Several calls that read (those with a const session) may go on
 * at once. gesso_session_batch_size, gesso_session_set_poll, and in a callback gesso_session_take_profile, are never
 * refused. A callback may free the session; the call that is under way goes on to its end. Another thread must not free
 * it before the call has returned. Sessions of one model do not disturb each other. A session keeps what it needs of
 * its model, which may be freed before. */
typedef struct gesso_session gesso_session;

/* A list of token ids of one sequence. `ids` may be NULL if count is 0. This struct never changes. */
typedef struct gesso_ids {
  const int32_t* ids;
  size_t count;
} gesso_ids;

/* Makes a session of `batch_size` empty sequences, 1 to 4096: GESSO_ARGUMENT_ERROR for others. It allocates
 * gesso_model_scratch_bytes at once, and caches as the sequences grow. */
GESSO_API gesso_status gesso_session_create(const gesso_model* model, int64_t batch_size, gesso_session** out);
GESSO_API void gesso_session_free(gesso_session* session);
GESSO_API int64_t gesso_session_batch_size(const gesso_session* session); /* 0 for NULL */
/* How many tokens a sequence has, prompts and generated ones, and these tokens. GESSO_ARGUMENT_ERROR unless `sequence`
 * is from 0 to gesso_session_batch_size - 1. */
GESSO_API gesso_status gesso_session_length(const gesso_session* session, int64_t sequence, int64_t* length);
GESSO_API gesso_status gesso_session_ids(const gesso_session* session, int64_t sequence, int32_t* ids, size_t capacity,
                                         size_t* count);
/* The bytes that the caches take. What a session shares with its forks counts in each of them. */
GESSO_API gesso_status gesso_session_cache_bytes(const gesso_session* session, int64_t* num_bytes);

/* Sets what every call of the session that does work polls, from the next one on; NULL: nothing. Forks do not have it.
 */
GESSO_API gesso_status gesso_session_set_poll(gesso_session* session, gesso_poll_callback poll, void* user_data);

/* Appends ids to each sequence and encodes them. `num_lists` must be the batch size; a sequence that has tokens already
 * may get an empty list. GESSO_ARGUMENT_ERROR for ids outside the vocabulary or that stand for other media, and for
 * more tokens than the context holds. */
GESSO_API gesso_status gesso_session_encode(gesso_session* session, const gesso_ids* lists, size_t num_lists);
/* Runs one denoising pass. `canvas` has the ids of a canvas for each sequence, [B][C]. `logits`, [B][C][V], float32,
 * are overwritten by the soft-capped logits before they are divided by the temperature. With has_self_conditioning (1)
 * they must hold the processed logits of the step before: divided by its temperature. The numbers of ids and logits say
 * how long the caller's arrays are, and must be exact. GESSO_NUMERICS_ERROR if a logit is not finite. After an error
 * the logits may have changed. */
GESSO_API gesso_status gesso_session_denoise(gesso_session* session, const int32_t* canvas, size_t num_canvas_ids,
                                             int has_self_conditioning, float* logits, size_t num_logits);
/* Appends the lists as gesso_session_encode does, and continues every sequence. Without lists (NULL, 0) nothing is
 * appended. `results` gets one result for each sequence, and must have room for gesso_session_batch_size of them; the
 * caller frees each. Afterwards the sequences hold the new tokens, as gesso_result_ids gives them. If options is NULL,
 * the defaults hold. GESSO_ARGUMENT_ERROR names the option that is out of its bounds; GESSO_NUMERICS_ERROR. */
GESSO_API gesso_status gesso_session_generate(gesso_session* session, const gesso_ids* lists, size_t num_lists,
                                              const gesso_options* options, gesso_result** results);

/* Makes an independent session with the same content. It takes no time, since both share the cache until one of them
 * appends. The two may be used by two threads. */
GESSO_API gesso_status gesso_session_fork(const gesso_session* session, gesso_session** out);
/* Forgets everything behind the first lengths[i] tokens of each sequence. There is one length for all, or one for each.
 * GESSO_ARGUMENT_ERROR unless each is from 0 to the sequence's length. */
GESSO_API gesso_status gesso_session_rewind(gesso_session* session, const int64_t* lengths, size_t num_lengths);

/* Writes everything that the session holds to a file, which C++ and Python read, too. A temporary file is written
 * beside it, which only its owner may read, and then renamed. It replaces a saved session or an empty file;
 * GESSO_IO_ERROR where another file is, or where it cannot be written. */
GESSO_API gesso_status gesso_session_save(const gesso_session* session, const char* path);
/* Fails as gesso_session_save would because of the path, so that a program can ask before it works for hours. Nothing
 * is left behind. */
GESSO_API gesso_status gesso_session_check_save(const char* path);
/* Makes a session of what was saved. It generates, bit for bit, what the saved session would have generated. The model,
 * its activations, and whether it is on a GPU, must be the same. GESSO_FORMAT_ERROR says what differs, or that the
 * bytes are truncated or damaged; GESSO_IO_ERROR. */
GESSO_API gesso_status gesso_session_load(const gesso_model* model, const char* path, gesso_session** out);
/* The same, and polls meanwhile; poll may be NULL. GESSO_INTERRUPTED. The session does not have the poll afterwards. */
GESSO_API gesso_status gesso_session_load_polled(const gesso_model* model, const char* path, gesso_poll_callback poll,
                                                 void* user_data, gesso_session** out);
/* The same in memory. The bytes are immutable: any number of threads may use them. Their data is valid until they are
 * freed; it is NULL, and *num_bytes 0, for NULL. */
typedef struct gesso_bytes gesso_bytes;
GESSO_API gesso_status gesso_session_save_bytes(const gesso_session* session, gesso_bytes** out);
GESSO_API const void* gesso_bytes_data(const gesso_bytes* bytes, size_t* num_bytes);
GESSO_API void gesso_bytes_free(gesso_bytes* bytes);
GESSO_API gesso_status gesso_session_load_bytes(const gesso_model* model, const void* data, size_t num_bytes,
                                                gesso_session** out);
GESSO_API gesso_status gesso_session_load_bytes_polled(const gesso_model* model, const void* data, size_t num_bytes,
                                                       gesso_poll_callback poll, void* user_data, gesso_session** out);

/* With `on` (1) every op adds its time and its work to a profile from now on, until a call with 0. Each call also
 * discards what gesso_session_take_profile has not returned. Results stay the same. On a GPU each op then waits for the
 * op before it. */
GESSO_API gesso_status gesso_session_set_profiling(gesso_session* session, int on);
/* What was added to a profile since it was last taken. It is immutable: any number of threads may use it. */
typedef struct gesso_profile gesso_profile;
/* All calls of one op with one role of weights, over all layers. The texts are valid as long as the profile. */
typedef struct gesso_op_profile {
  size_t struct_size;
  const char* op;     /* "linear" */
  const char* weight; /* its role, by GGUF's names: "attn_q"; "" where there is none */
  const char* types;  /* of the weights: "Q4_K Q6_K" */
  const char* plan;   /* how a GPU computed it; "" on the CPU */
  int64_t calls;
  double ms;
  double stored_bytes;     /* weights, cached keys and values; each counts once per call */
  double activation_bytes; /* rows read and written, new keys and values */
  double float_operations; /* multiplications and additions of products with a float operand */
  double int8_operations;  /* the same of products of integers alone */
} gesso_op_profile;
/* A callback of this session may take its profile, too. It is empty when nothing is profiled. */
GESSO_API gesso_status gesso_session_take_profile(gesso_session* session, gesso_profile** out);
GESSO_API size_t gesso_profile_size(const gesso_profile* profile); /* 0 for NULL */
/* Fills in one of its entries, which have no order. struct_size must be sizeof(gesso_op_profile). GESSO_ARGUMENT_ERROR
 * unless index is below gesso_profile_size. */
GESSO_API gesso_status gesso_profile_get(const gesso_profile* profile, size_t index, gesso_op_profile* op,
                                         size_t struct_size);
GESSO_API void gesso_profile_free(gesso_profile* profile);

/* ---------------------------------------------------------------------------------------------- engines ----------- */

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
  void* user_data;                 /* handed to on_canvas; the callbacks of gesso_options get that one's */
  int64_t keep_events;             /* 1: gesso_request_next is used. 0 is the default */
} gesso_request_options;
/* Fills in the defaults. struct_size must be sizeof(gesso_request_options). */
GESSO_API gesso_status gesso_request_options_init(gesso_request_options* options, size_t struct_size);

/* If options is NULL, the defaults hold. GESSO_ARGUMENT_ERROR names the option that is out of its bounds. */
GESSO_API gesso_status gesso_engine_create(const gesso_model* model, const gesso_engine_options* options,
                                           gesso_engine** out);
/* Closes and frees the engine. NULL is fine. A callback of the engine may do it, too. */
GESSO_API void gesso_engine_free(gesso_engine* engine);
/* Adds a request, as gesso_generate or gesso_generate_text would run it, and does not wait for it. If options is NULL,
 * the defaults hold. GESSO_ARGUMENT_ERROR as there, and when the engine was closed; GESSO_OUT_OF_MEMORY when its cache
 * could be larger than memory_bytes, GESSO_QUEUE_FULL. The caller must free the request. A callback may submit
 * requests. */
GESSO_API gesso_status gesso_engine_submit(gesso_engine* engine, const int32_t* prompt, size_t prompt_length,
                                           const gesso_request_options* options, gesso_request** out);
GESSO_API gesso_status gesso_engine_submit_text(gesso_engine* engine, const char* prompt,
                                                const gesso_request_options* options, gesso_request** out);
/* The same for ids that are appended to a session of batch size 1, which the request continues as
 * gesso_session_generate does. Until the request has ended the session is busy. Afterwards it holds what was generated;
 * if the request ends with an error, it is as before. The session and the engine must be of the same model. */
GESSO_API gesso_status gesso_engine_submit_session(gesso_engine* engine, gesso_session* session, const int32_t* ids,
                                                   size_t num_ids, const gesso_request_options* options,
                                                   gesso_request** out);
/* How many requests have a place in the passes at a time; 0 for NULL. */
GESSO_API int64_t gesso_engine_max_running(const gesso_engine* engine);
/* Runs one pass on the calling thread. Sets *has_run, which may be NULL, to 0 if there was nothing to do, or to 1.
 * GESSO_ARGUMENT_ERROR if the engine has a thread, GESSO_BUSY_ERROR while another thread runs a pass and in a callback.
 */
GESSO_API gesso_status gesso_engine_run_once(gesso_engine* engine, int* has_run);
/* Waits until all requests have ended, for at most `seconds`, or without an end if they are negative. Sets *done, which
 * may be NULL, to 1 if they have, or to 0. GESSO_BUSY_ERROR in a callback. */
GESSO_API gesso_status gesso_engine_drain(gesso_engine* engine, double seconds, int* done);
/* Ends all requests as gesso_request_cancel does, and the engine's thread. Further requests are refused. */
GESSO_API gesso_status gesso_engine_close(gesso_engine* engine);
/* The same, but waits for at most `seconds` until nothing of the engine runs any more, or without an end if they are
 * negative. A callback that does not return holds it up. Sets *done, which may be NULL, to 1 if nothing runs, or to 0.
 * In a callback of the engine *done is 1 at once, and the rest follows behind the pass. */
GESSO_API gesso_status gesso_engine_close_within(gesso_engine* engine, double seconds, int* done);
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

/* What a request has come to. */
typedef enum gesso_event_kind { GESSO_EVENT_STEP = 0, GESSO_EVENT_CANVAS = 1, GESSO_EVENT_END = 2 } gesso_event_kind;
/* The library makes these structs, and the caller frees them with gesso_event_free. An event owns what it points to. It
 * is immutable: any number of threads may use it. */
typedef struct gesso_event {
  size_t struct_size;
  int64_t kind;                /* a gesso_event_kind. At GESSO_EVENT_END all that follows is 0 */
  int64_t canvas;              /* index among the request's canvases */
  int64_t step;                /* GESSO_EVENT_STEP: index within the canvas */
  int64_t max_denoising_steps; /* GESSO_EVENT_STEP */
  int64_t denoising_steps;     /* GESSO_EVENT_CANVAS: that it took */
  int64_t finished;            /* GESSO_EVENT_CANVAS: 1 if it has an end token, or 0 */
  double mean_entropy;         /* GESSO_EVENT_STEP: nats */
  const int32_t* ids;          /* `length` ids: the canvas as it would be committed now, or as it was committed */
  const uint8_t* accepted;     /* GESSO_EVENT_STEP: `length` times 1 or 0; else NULL */
  const float* entropies;      /* GESSO_EVENT_STEP: `length` times nats; else NULL */
  size_t length;               /* gesso_model_canvas_length */
  int64_t text_length;         /* GESSO_EVENT_CANVAS: see gesso_canvas_event */
} gesso_event;
/* Waits for the request's next event, for at most `seconds`, or without an end if they are negative; with 0 it polls.
 * Sets *out to NULL if none came, and behind GESSO_EVENT_END. If events are not taken fast enough, only the newest step
 * of several is kept. GESSO_ARGUMENT_ERROR unless the request was submitted with keep_events, GESSO_BUSY_ERROR if it
 * would wait in a callback of the request's engine. Where the engine has no thread, it runs passes meanwhile. */
GESSO_API gesso_status gesso_request_next(const gesso_request* request, double seconds, gesso_event** out);
GESSO_API void gesso_event_free(gesso_event* event);

/* The request goes on without its handle, unless it was cancelled. NULL is fine. A callback may do it, too. */
GESSO_API void gesso_request_free(gesso_request* request);

#ifdef __cplusplus
}
#endif

#endif /* GESSO_GESSO_H */
