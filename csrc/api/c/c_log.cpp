#include "gesso/log.h"

#include <string>
#include <utility>

#include "api/c/c_status.h"

gesso_status gesso_set_log_callback(gesso_log_callback callback, void* user_data, int least) {
  return gesso::c::guarded([&] {
    gesso::LogCallback wrapped;
    if (callback) {
      wrapped = [callback, user_data](gesso::LogLevel level, const std::string& message) {
        callback(user_data, static_cast<gesso_log_level>(level), message.c_str());
      };
    }
    gesso::set_log_callback(std::move(wrapped), static_cast<gesso::LogLevel>(least));
  });
}
