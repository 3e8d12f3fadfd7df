// Who is inside an object: calls that read it, or one call that changes it. A call that would have to wait is refused.
#pragma once

#include <atomic>
#include <optional>
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
  Changing(Users& users, const char* call) : users_(users) {
    int nobody = 0;
    if (!users_.inside_.compare_exchange_strong(nobody, -1)) users_.refuse(call);
    users_.changer_ = std::this_thread::get_id();
  }
  ~Changing() {
    users_.changer_ = std::thread::id();
    users_.inside_ = 0;
  }
  Changing(const Changing&) = delete;
  Changing& operator=(const Changing&) = delete;

 private:
  Users& users_;
};

// As Changing. But it may also come from a callback of the call that changes the object, which waits meanwhile.
class Nesting {
 public:
  Nesting(Users& users, const char* call) {
    if (users.changer_ != std::this_thread::get_id()) changing_.emplace(users, call);
  }

 private:
  std::optional<Changing> changing_;
};

}  // namespace gesso
