#include "engine/schedule.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace gesso::engine {
namespace {

// No key is served more. It keeps sums of these numbers from overflowing.
constexpr int64_t kMostServed = int64_t{1} << 60;

class Planner {
 public:
  Planner(std::span<const Entry> entries, const Room& room)
      : entries_(entries), room_(room), prompt_rows_(std::max(kPromptRows, room.canvas_length)) {
    const auto waits = [](const Entry& e) { return !e.is_admitted; };
    takes_turns_ = std::count_if(entries.begin(), entries.end(), waits) <= room.slots;
  }

  Plan plan() {
    give_slots();
    step_canvases();
    encode_committed();
    encode_prompts();
    std::sort(plan_.parts.begin(), plan_.parts.end(), [&](const Part& a, const Part& b) {
      const Entry &left = entries_[a.entry], &right = entries_[b.entry];
      return std::pair(!left.is_in_canvas, left.order) < std::pair(!right.is_in_canvas, right.order);
    });
    return std::move(plan_);
  }

 private:
  // What comes first has the smaller rank.
  auto rank(size_t index) const {
    const Entry& e = entries_[index];
    const auto held = held_.find(e.key);
    const int64_t slots = held == held_.end() ? 0 : held->second;
    const int64_t places = takes_turns_ ? 2 * room_.slots * e.num_canvases : 0;
    return std::tuple(-int64_t{e.priority},
                      std::min(e.served, kMostServed) + slots * kTypicalSteps * room_.canvas_length, e.order + places,
                      e.order);
  }

  void take_slot(size_t index) {
    plan_.slots.push_back(index);
    ++held_[entries_[index].key];
  }

  void give_slots() {
    std::vector<size_t> candidates;
    for (size_t i = 0; i < entries_.size(); ++i) {
      if (entries_[i].is_in_canvas) {
        take_slot(i);
      } else if (!entries_[i].must_wait || entries_[i].is_admitted) {
        candidates.push_back(i);
      }
    }
    give_free_slots(std::move(candidates));
    std::sort(plan_.slots.begin(), plan_.slots.end(),
              [&](size_t a, size_t b) { return entries_[a].order < entries_[b].order; });
  }

  void give_free_slots(std::vector<size_t> candidates) {
    int64_t free_bytes = room_.free_bytes;
    while (!candidates.empty() && std::ssize(plan_.slots) < room_.slots) {
      const auto best =
          std::min_element(candidates.begin(), candidates.end(), [&](size_t a, size_t b) { return rank(a) < rank(b); });
      const Entry& e = entries_[*best];
      if (!e.is_admitted && e.cache_bytes > free_bytes) {
        std::erase_if(candidates, [&](size_t i) { return !entries_[i].is_admitted; });
        continue;
      }
      if (!e.is_admitted) free_bytes -= e.cache_bytes;
      take_slot(*best);
      candidates.erase(best);
    }
  }

  bool is_ready(const Entry& e) const { return !e.is_in_canvas && e.pending == 0; }
  bool has_committed(const Entry& e) const {
    return !e.is_in_canvas && e.has_stepped && e.pending > 0 && e.pending <= room_.canvas_length;
  }
  bool has_prompt(const Entry& e) const { return !e.is_in_canvas && e.pending > 0 && !has_committed(e); }

  int64_t rows_left() const { return room_.max_rows - rows_; }

  void add(size_t index, int64_t text_rows, bool has_step) {
    plan_.parts.push_back({index, text_rows, has_step});
    rows_ += text_rows + (has_step ? room_.canvas_length : 0);
    text_rows_ += text_rows;
  }

  // Those that have waited for their step come before committed canvases, which could otherwise delay them in every
  // pass.
  void step_canvases() {
    for (const size_t i : plan_.slots) {
      if (entries_[i].is_in_canvas) add(i, 0, true);
    }
    for (const size_t i : plan_.slots) {
      if (is_ready(entries_[i])) add(i, 0, true);
    }
  }

  // Their texts fit, since none is longer than the canvas that its sequence has a slot for.
  void encode_committed() {
    int64_t unplanned = 0, prompts = 0;  // rows of texts
    for (const size_t i : plan_.slots) {
      const Entry& e = entries_[i];
      if (has_committed(e)) unplanned += e.pending;
      if (has_prompt(e)) prompts += e.pending;
    }
    const int64_t reserved = std::min(prompts, prompt_rows_);
    for (const size_t i : plan_.slots) {
      const Entry& e = entries_[i];
      if (!has_committed(e)) continue;
      add(i, e.pending, unplanned + room_.canvas_length + reserved <= rows_left());
      unplanned -= e.pending;
    }
  }

  // The slots are in the order of submission.
  void encode_prompts() {
    std::vector<size_t> prompts;
    int64_t owed = 0;  // rows that prompts still must get
    for (const size_t i : plan_.slots) {
      if (!has_prompt(entries_[i])) continue;
      prompts.push_back(i);
      owed = std::min(owed + entries_[i].pending, prompt_rows_);
    }
    if (prompts.empty()) return;
    const size_t oldest = prompts.front();
    const int64_t most_text_rows = std::max(room_.rows_per_kind, text_rows_ + prompt_rows_);
    int64_t kept = std::min(entries_[oldest].pending, prompt_rows_ / 2);  // for the oldest
    const auto rank = [&](size_t i) {
      const Entry& e = entries_[i];
      return std::tuple(-int64_t{e.priority}, e.pending, e.order);
    };
    std::sort(prompts.begin(), prompts.end(), [&](size_t a, size_t b) { return rank(a) < rank(b); });
    for (const size_t i : prompts) {
      if (i == oldest) kept = 0;
      const int64_t pending = entries_[i].pending;
      const int64_t rows = std::min(pending, std::min(rows_left(), most_text_rows - text_rows_) - kept);
      owed = std::max<int64_t>(owed - rows, 0);
      const bool has_step = rows == pending && rows + room_.canvas_length + std::max(kept, owed) <= rows_left();
      if (rows > 0) add(i, rows, has_step);
    }
  }

  std::span<const Entry> entries_;
  const Room& room_;
  const int64_t prompt_rows_;  // that prompts get at least
  bool takes_turns_ = false;
  Plan plan_;
  std::map<int64_t, int64_t> held_;  // slots by key
  int64_t rows_ = 0, text_rows_ = 0;
};

}  // namespace

Plan plan_pass(std::span<const Entry> entries, const Room& room) { return Planner(entries, room).plan(); }

}  // namespace gesso::engine
