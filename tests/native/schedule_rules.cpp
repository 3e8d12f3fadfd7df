#include "schedule_rules.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

namespace gesso::tests {
namespace {

using engine::Entry;
using engine::kPromptRows;
using engine::kTypicalSteps;
using engine::Part;
using engine::Plan;
using engine::Room;

struct BrokenRule {
  std::string rule;
};

void require(bool holds, const char* rule) {
  if (!holds) throw BrokenRule{rule};
}

// What the plan does with one entry.
struct Fate {
  int64_t slots = 0, parts = 0, text_rows = 0;
  bool has_step = false;
};

class Checker {
 public:
  Checker(std::span<const Entry> entries, const Room& room, const Plan& plan)
      : entries_(entries), room_(room), plan_(plan), fates_(entries.size()) {
    for (const size_t i : plan.slots) {
      ++fates_[i].slots;
      ++held_[entries[i].key];
      if (!entries[i].is_admitted) begun_bytes_ += entries[i].cache_bytes;
    }
    for (const Part& part : plan.parts) {
      Fate& fate = fates_[part.entry];
      ++fate.parts;
      fate.text_rows = part.text_rows;
      fate.has_step = part.has_step;
      const int64_t rows = part.text_rows + (part.has_step ? room.canvas_length : 0);
      rows_ += rows;
      text_rows_ += part.text_rows;
      if (part.has_step) ++steps_;
      if (has_prompt(entries[part.entry])) prompt_rows_ += part.text_rows;
      if (!has_prompt(entries[part.entry])) rows_before_prompts_ += rows;
    }
    num_waiting_ = std::count_if(entries.begin(), entries.end(), [](const Entry& e) { return !e.is_admitted; });
    is_blocked_ = is_blocked();
  }

  void check() const {
    for (size_t i = 0; i < entries_.size(); ++i) check_entry(entries_[i], fates_[i]);
    check_budget();
    check_memory();
    check_slots();
    check_prompts();
  }

 private:
  bool has_committed(const Entry& e) const {
    return !e.is_in_canvas && e.has_stepped && e.pending > 0 && e.pending <= room_.canvas_length;
  }
  bool has_prompt(const Entry& e) const { return !e.is_in_canvas && e.pending > 0 && !has_committed(e); }
  int64_t least_prompt_rows() const { return std::max(kPromptRows, room_.canvas_length); }

  void check_entry(const Entry& e, const Fate& fate) const {
    require(fate.slots <= 1, "an entry has one slot");
    require(fate.parts <= fate.slots, "only who has a slot takes part, and once");
    require(fate.text_rows >= 0 && fate.text_rows <= e.pending, "a slice is a part of what is pending");
    require(!fate.parts || fate.text_rows > 0 || fate.has_step, "a part is not empty");
    require(!fate.has_step || fate.text_rows == e.pending, "a step comes behind all of its text");
    require(!fate.slots || e.is_admitted || !e.must_wait, "who must wait does not begin");
    if (e.is_in_canvas) require(fate.has_step, "a canvas under way takes a step");
    if (!fate.slots) return;
    if (e.pending == 0) require(fate.has_step, "what is encoded takes its step in the next pass");
    if (!has_committed(e)) return;
    require(fate.text_rows == e.pending, "a committed canvas is encoded in the next pass");
    if (!fate.has_step) {
      require(rows_before_prompts_ + room_.canvas_length + reserved() > room_.max_rows,
              "a committed canvas' sequence steps at once if the rows suffice");
    }
  }

  // Rows that are kept for prompts.
  int64_t reserved() const {
    int64_t pending = 0;
    for (const size_t i : plan_.slots) pending += has_prompt(entries_[i]) ? entries_[i].pending : 0;
    return std::min(pending, least_prompt_rows());
  }

  void check_budget() const {
    const auto place_in_pass = [&](const Part& part) {
      return std::pair(!entries_[part.entry].is_in_canvas, entries_[part.entry].order);
    };
    require(std::is_sorted(plan_.parts.begin(), plan_.parts.end(),
                           [&](const Part& a, const Part& b) { return place_in_pass(a) < place_in_pass(b); }),
            "parts are in the order of submission, but canvases under way come first");
    require(std::ssize(plan_.slots) <= room_.slots, "there are so many slots");
    require(rows_ <= room_.max_rows, "a pass has max_rows at most");
    require(steps_ <= room_.slots, "a pass has a canvas for each slot at most");
    const bool could_run = std::any_of(entries_.begin(), entries_.end(),
                                       [&](const Entry& e) { return e.is_admitted || (!e.must_wait && !is_blocked_); });
    require(!could_run || !plan_.parts.empty(), "a pass does something if anything can be done");
  }

  // Whether some entry that could begin lacks memory, after those that begin.
  bool is_blocked() const {
    return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& e) {
      return !e.is_admitted && !e.must_wait && !fates_[&e - entries_.data()].slots &&
             e.cache_bytes > room_.free_bytes - begun_bytes_;
    });
  }

  void check_memory() const {
    require(begun_bytes_ == 0 || begun_bytes_ <= room_.free_bytes, "who begins has memory");
    if (std::ssize(plan_.slots) == room_.slots) return;
    for (size_t i = 0; i < entries_.size(); ++i) {
      if (fates_[i].slots) continue;
      require(!entries_[i].is_admitted, "no slot is left free while an admitted entry has none");
      require(entries_[i].must_wait || is_blocked_, "no slot is left free while an entry could begin");
    }
  }

  // Compares each entry that got a slot anew with each that got none.
  void check_slots() const {
    for (const size_t winner : plan_.slots) {
      if (entries_[winner].is_in_canvas) continue;
      const bool is_last = is_last_of_its_key(entries_[winner]);
      for (size_t loser = 0; loser < entries_.size(); ++loser) {
        const Entry& x = entries_[loser];
        if (!fates_[loser].slots && (x.is_admitted || (!x.must_wait && !is_blocked_))) {
          check_pair(entries_[winner], is_last, x);
        }
      }
    }
  }

  void check_pair(const Entry& winner, bool is_last, const Entry& loser) const {
    require(winner.priority >= loser.priority, "the highest priority goes first");
    if (winner.priority > loser.priority) return;
    if (winner.key == loser.key) {
      require(place(winner) <= place(loser), "of a key the oldest goes first, or who has had fewer turns");
      return;
    }
    // The winner's key might have taken all its slots but one before. It got the last one because it was served least
    // even so.
    if (is_last) {
      const int64_t slot = kTypicalSteps * room_.canvas_length;
      require(winner.served + (held_.at(winner.key) - 1) * slot <= loser.served + held(loser.key) * slot,
              "the key that was served least goes first");
    }
  }

  int64_t held(int64_t key) const { return held_.contains(key) ? held_.at(key) : 0; }

  int64_t place(const Entry& e) const {
    return num_waiting_ <= room_.slots ? e.order + 2 * room_.slots * e.num_canvases : e.order;
  }

  // Whether no other entry of its key got a slot after it.
  bool is_last_of_its_key(const Entry& winner) const {
    return std::none_of(plan_.slots.begin(), plan_.slots.end(), [&](size_t i) {
      const Entry& e = entries_[i];
      return e.key == winner.key && !e.is_in_canvas &&
             (e.priority < winner.priority || (e.priority == winner.priority && place(e) > place(winner)));
    });
  }

  void check_prompts() const {
    const Entry* oldest = nullptr;
    int64_t left = 0;
    for (const size_t i : plan_.slots) {
      const Entry& e = entries_[i];
      if (!has_prompt(e)) continue;
      if (!oldest || e.order < oldest->order) oldest = &e;
      left += e.pending - fates_[i].text_rows;
      if (fates_[i].text_rows == e.pending && !fates_[i].has_step) {
        require(rows_ + room_.canvas_length > room_.max_rows, "the last slice and the first step share a pass");
      }
    }
    if (!oldest) return;
    const int64_t rows = fates_[oldest - entries_.data()].text_rows;
    require(rows >= std::min(oldest->pending, least_prompt_rows() / 2),
            "the oldest prompt gets half of the least rows");
    if (left == 0) return;
    require(prompt_rows_ >= least_prompt_rows(), "prompts get a least number of rows");
    require(rows_ == room_.max_rows || text_rows_ >= room_.rows_per_kind || prompt_rows_ == least_prompt_rows(),
            "prompts get all that remains");
    require(text_rows_ <= std::max(room_.rows_per_kind, text_rows_ - prompt_rows_ + least_prompt_rows()),
            "texts have rows_per_kind at most, or prompts no more than their least rows");
  }

  std::span<const Entry> entries_;
  const Room& room_;
  const Plan& plan_;
  std::vector<Fate> fates_;
  std::map<int64_t, int64_t> held_;
  int64_t rows_ = 0, text_rows_ = 0, prompt_rows_ = 0, rows_before_prompts_ = 0, steps_ = 0, begun_bytes_ = 0;
  int64_t num_waiting_ = 0;  // entries that are not admitted
  bool is_blocked_ = false;
};

}  // namespace

std::string broken_rule(std::span<const Entry> entries, const Room& room, const Plan& plan) {
  try {
    Checker(entries, room, plan).check();
    return "";
  } catch (const BrokenRule& broken) {
    return broken.rule;
  }
}

}  // namespace gesso::tests
