/* A conversation in C99. Each line of the standard input is a turn; a reply has one canvas. The session keeps what was
 * said, and the cache of it. With STATE the conversation goes on from that file, if there is one, and is left there.
 *
 *   chat MODEL SEED [STATE] < turns.txt
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gesso/gesso.h"

static int fail(const char* what) {
  fprintf(stderr, "chat: %s: %s\n", what, gesso_last_error());
  return 1;
}

static int take_turn(const gesso_model* model, gesso_session* session, const gesso_options* options, const char* line) {
  /* What a user writes is text, also where it spells a special token. */
  const uint8_t parse_special = 0;
  int32_t ids[4096];
  const size_t capacity = sizeof ids / sizeof *ids; /* an id stands for a byte or more */
  gesso_ids turn = {ids, 0};
  if (gesso_encode_parts(model, &line, &parse_special, 1, ids, capacity, &turn.count) != GESSO_OK) return fail(line);

  gesso_result* result = NULL;
  if (gesso_session_generate(session, &turn, 1, options, &result) != GESSO_OK) return fail("the reply");
  puts(gesso_result_text(result));
  gesso_result_free(result);
  return 0;
}

static int exists(const char* path) {
  FILE* file = fopen(path, "rb");
  return file != NULL && fclose(file) == 0;
}

int main(int argc, char** argv) {
  if (argc != 3 && argc != 4) {
    fputs("usage: chat MODEL SEED [STATE]\n", stderr);
    return 2;
  }
  const char* state = argv[3]; /* NULL without it */
  gesso_model* model = NULL;
  gesso_session* session = NULL;
  if (gesso_model_load(argv[1], NULL, &model) != GESSO_OK) return fail(argv[1]);
  if (state != NULL && exists(state)) {
    if (gesso_session_load(model, state, &session) != GESSO_OK) return fail(state);
  } else if (gesso_session_create(model, 1, &session) != GESSO_OK) {
    return fail("a session");
  }
  gesso_options options;
  gesso_options_init(&options, sizeof options);
  options.max_new_tokens = gesso_model_canvas_length(model);
  options.seed = strtoull(argv[2], NULL, 10);

  char line[4096];
  int status = 0;
  while (status == 0 && fgets(line, sizeof line, stdin) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    status = take_turn(model, session, &options, line);
  }
  if (status == 0 && state != NULL && gesso_session_save(session, state) != GESSO_OK) status = fail(state);
  gesso_session_free(session);
  gesso_model_free(model);
  return status;
}
