/* A conversation in C99. Each line of the standard input is a turn; a reply has one canvas.
 *
 *   chat MODEL SEED < turns.txt
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gesso/gesso.h"

/* Everything that was said so far. */
typedef struct conversation {
  int32_t* ids;
  size_t length;
} conversation;

static int fail(const char* what) {
  fprintf(stderr, "chat: %s: %s\n", what, gesso_last_error());
  return 1;
}

/* Makes room for `count` further ids, and returns where they go. */
static int32_t* extend(conversation* said, size_t count) {
  int32_t* ids = realloc(said->ids, (said->length + count + 1) * sizeof *ids);
  if (ids == NULL) {
    fputs("chat: out of memory\n", stderr);
    exit(1);
  }
  said->ids = ids;
  said->length += count;
  return ids + said->length - count;
}

static int take_turn(const gesso_model* model, const gesso_options* options, conversation* said, const char* line) {
  /* What a user writes is text, also where it spells a special token. */
  const uint8_t parse_special = 0;
  size_t count = 0;
  if (gesso_encode_parts(model, &line, &parse_special, 1, NULL, 0, &count) != GESSO_OK) return fail("the line");
  int32_t* ids = extend(said, count);
  if (gesso_encode_parts(model, &line, &parse_special, 1, ids, count, &count) != GESSO_OK) return fail("the line");

  gesso_result* result = NULL;
  if (gesso_generate(model, said->ids, said->length, options, &result) != GESSO_OK) return fail("the reply");
  const int32_t* reply = gesso_result_ids(result, &count);
  ids = extend(said, count);
  if (count > 0) memcpy(ids, reply, count * sizeof *reply);
  puts(gesso_result_text(result));
  gesso_result_free(result);
  return 0;
}

int main(int argc, char** argv) {
  if (argc != 3) {
    fputs("usage: chat MODEL SEED\n", stderr);
    return 2;
  }
  gesso_model* model = NULL;
  if (gesso_model_load(argv[1], NULL, &model) != GESSO_OK) return fail(argv[1]);
  gesso_options options;
  gesso_options_init(&options, sizeof options);
  options.max_new_tokens = gesso_model_canvas_length(model);
  options.seed = strtoull(argv[2], NULL, 10);

  conversation said = {NULL, 0};
  char line[4096];
  int status = 0;
  while (status == 0 && fgets(line, sizeof line, stdin) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    status = take_turn(model, &options, &said, line);
  }
  free(said.ids);
  gesso_model_free(model);
  return status;
}
