// Decides what the next pass does: a pure function of what waits and of what is under way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "model/pass_limits.h"

namespace gesso::engine {

// What is known of one request that has not ended.
struct Entry {
  int64_t order = 0;         // requests are numbered as they are submitted
  int priority = 0;          // a higher one goes first
  int64_t key = 0;           // whose request it is; keys share the passes
  int64_t served = 0;        // rows that passes have computed for this key
  int64_t num_canvases = 0;  // of this request that are committed
  // Ids that must be encoded before the canvas can take its first step: the prompt, or the canvas before.
  int64_t pending = 0;
  int64_t cache_bytes = 0;    // the most that its cache can take
  bool is_admitted = false;   // its cache has memory
  bool has_stepped = false;   // whether any of its canvases has taken a step
  bool is_in_canvas = false;  // its canvas has taken a step and goes on
  bool must_wait = false;     // another request is encoding what this one begins with, too
};

// What passes have room for. There are places for all canvases, and for a canvas or kPromptRows beside them:
// slots * canvas_length <= rows_per_kind, and rows_per_kind + max(kPromptRows, canvas_length) <= max_rows.
struct Room {
  int64_t slots = 1;          // canvases that fit a pass
  int64_t canvas_length = 0;  // rows of a canvas
  int64_t rows_per_kind = 0;  // rows of all canvases of a pass; those of its texts are as many, see the rules
  int64_t max_rows = 0;       // rows of canvases and texts together
  int64_t free_bytes = 0;     // memory for the caches of requests that are not admitted
};

// An entry's part of the pass: `rows` of its pending ids, and its canvas if they are all of them.
struct Part {
  size_t entry = 0;  // index
  int64_t text_rows = 0;
  bool has_step = false;  // a canvas takes a step
};

struct Plan {
  std::vector<size_t> slots;  // the entries that have a slot from now on; one that has none yet is admitted now
  std::vector<Part> parts;    // in the order of submission, but canvases under way come first
};

// The prompts of a pass get at least this many rows, however many canvases there are.
constexpr int64_t kPromptRows = model::kTextRows;
// A slot that a key holds counts as so many steps of a canvas that the key was served already. Else all slots that are
// free at one time would go to one key.
constexpr int64_t kTypicalSteps = 16;

// The rules:
// - A canvas under way takes a step in every pass. Nothing interrupts it.
// - A slot that no canvas holds goes to the entry with the highest priority, then to the key that was served least,
//   then to the oldest request. So a request keeps its slot from canvas to canvas while no other deserves it more.
// - While few requests wait, at most as many as there are slots, those of a key take turns: with each canvas that is
//   committed, a request moves back by twice as many places as there are slots. Else the last ones would run alone, in
//   short passes. It moves back, and not behind all others, so that it comes to its next turn however many requests
//   follow. For 8 slots, request 3 with two canvases goes behind request 34, and before request 35, if these have none.
// - An entry that is not admitted needs memory for its cache at its worst. While the next one to be admitted does not
//   fit, none behind it is admitted.
// - While a sequence has a slot, there is at most one pass between two of its steps: a committed canvas is encoded in
//   the next pass, and its sequence takes the next step in that pass if the rows suffice, or else one pass later. The
//   same holds between a prompt's last slice and the first step.
// - Prompts get the remaining rows. These are at least kPromptRows, or as many as a canvas has. With the committed
//   canvases they have at most rows_per_kind rows, unless they would have less than that. The highest priority goes
//   first, then the shortest prompt. But the oldest prompt gets at least half of kPromptRows, or of a canvas' rows. So
//   neither does a long prompt hold up short ones, nor do short ones hold up a long one for ever.
// Example for 8 slots, canvases of 256 rows and 2304 rows in all: 6 canvases are under way, a seventh was committed,
// and the eighth sequence has a prompt of 1000 tokens. The pass has 6 canvases, the text of the seventh and its next
// canvas (2048 rows), and 256 rows of the prompt.
Plan plan_pass(std::span<const Entry> entries, const Room& room);

}  // namespace gesso::engine
