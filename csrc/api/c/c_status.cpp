#include "api/c/c_status.h"

#include <string>
#include <string_view>

#include "core/check.h"
#include "core/utf8.h"

namespace {

thread_local std::string message_of_last_error;

constexpr const char* kStatusNames[] = {"GESSO_OK",         "GESSO_FORMAT_ERROR",      "GESSO_ARGUMENT_ERROR",
                                        "GESSO_IO_ERROR",   "GESSO_OUT_OF_MEMORY",     "GESSO_OTHER_ERROR",
                                        "GESSO_CUDA_ERROR", "GESSO_NUMERICS_ERROR",    "GESSO_BUSY_ERROR",
                                        "GESSO_QUEUE_FULL", "GESSO_DEADLINE_EXCEEDED", "GESSO_INTERRUPTED"};

// Whether a text is "<MAJOR>.<MINOR>.<PATCH>" of the headers, perhaps with something behind it.
constexpr bool is_version_of_headers(std::string_view text) {
  for (const int number : {GESSO_VERSION_MAJOR, GESSO_VERSION_MINOR, GESSO_VERSION_PATCH}) {
    int value = 0;
    size_t length = 0;
    for (; length < text.size() && text[length] >= '0' && text[length] <= '9'; ++length) {
      value = 10 * value + (text[length] - '0');
    }
    if (length == 0 || value != number) return false;
    text.remove_prefix(length);
    if (text.starts_with('.')) text.remove_prefix(1);
  }
  return true;
}
static_assert(is_version_of_headers(GESSO_VERSION), "include/gesso/version.h: expected the version of CMakeLists.txt");

}  // namespace

gesso_status gesso::c::fail(gesso_status status, const char* message) noexcept {
  try {
    message_of_last_error = visible(message);  // a path in it can have any bytes
  } catch (...) {                              // no memory left even for the message
    message_of_last_error.clear();
  }
  return status;
}

const char* gesso_last_error(void) { return message_of_last_error.c_str(); }

const char* gesso_status_name(int status) {
  const auto index = static_cast<size_t>(status);
  return index < std::size(kStatusNames) ? kStatusNames[index] : "";
}

const char* gesso_version(void) { return GESSO_VERSION; }
int gesso_version_number(void) { return GESSO_VERSION_NUMBER; }
