// Who is inside an object: calls that read it, or one call that changes it. A call that would have to wait is refused.
#pragma once

#include <atomic>
#include <string>
#include <thread>

#include "gesso/error.h"

namespace gesso {

// The calls that are inside one object, for example a session.
class Users {
 public:
  // `busy` says what a refused call is told: "the session is busy: ...". It must outlive the object.
  explicit Users(const char* busy) : busy_(busy) {}

 private:
  friend class Reading;
  friend class Changing;
  friend class Nesting;

  // Throws BusyError, which names the refused call.
  [[noreturn]] void refuse(const char* call) const { throw BusyError(std::string(call) + ": " + busy_); }

  void begin_change(const char* call) {
    int nobody = 0;
    if (!inside_.compare_exchange_strong(nobody, -1)) refuse(call);
    changer_ = std::this_thread::get_id();
  }
  void end_change() {
    changer_ = std::thread::id();
    inside_ = 0;
  }

  const char* busy_;
  std::atomic<int> inside_ = 0;           // how many calls read the object; -1 while one changes it
  std::atomic<std::thread::id> changer_;  // the thread of the call that changes it, if there is one
};

// One call that reads the object, from the constructor to the destructor. BusyError while another call changes it.
class Reading {
 public:
  Reading(Users& users, const char* call) : users_(users) {
    int inside = users_.inside_.load();
    do {
      if (inside < 0) users_.refuse(call);
    } while (!users_.inside_.compare_exchange_weak(inside, inside + 1));
  }
  ~Reading() { --users_.inside_; }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;

 private:
  Users& users_;
};

// One call that changes the object, from the constructor to the destructor. BusyError while another call is inside.
class Changing {
 public:
  Changing(Users& users, const char* call) : users_(users) { users_.begin_change(call); }
  ~Changing() { users_.end_change(); }
  Changing(const Changing&) = delete;
  Changing& operator=(const Changing&) = delete;

 private:
  Users& users_;
};

// As Changing. But it may also come from a callback of the call that changes the object, which waits meanwhile.
class Nesting {
 public:
  Nesting(Users& users, const char* call) : users_(users), is_nested_(users.changer_ == std::this_thread::get_id()) {
    if (!is_nested_) users_.begin_change(call);
  }
  ~Nesting() {
    if (!is_nested_) users_.end_change();
  }
  Nesting(const Nesting&) = delete;
  Nesting& operator=(const Nesting&) = delete;

 private:
  Users& users_;
  bool is_nested_;
};

}  // namespace gesso
