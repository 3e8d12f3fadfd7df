// gesso's exceptions as Python's: FormatError and ArgumentError are ValueError, IoError is OSError (FileNotFoundError
// and its siblings by errno), OutOfMemory is MemoryError.
#include "bindings.h"
#include "gesso/error.h"

namespace gesso::bindings {
namespace {

void set_os_error(const IoError& error) {
  // OSError(errno, message) picks the subclass that belongs to errno.
  nb::object exception = nb::borrow(PyExc_OSError)(error.error_number, error.what());
  PyErr_SetObject(exception.type().ptr(), exception.ptr());
}

}  // namespace

void bind_errors(nb::module_& module) {
  // Subclasses of ValueError, so that callers can tell a bad file from a bad argument and need not.
  static nb::exception<FormatError> format_error(module, "FormatError", PyExc_ValueError);
  static nb::exception<ArgumentError> argument_error(module, "ArgumentError", PyExc_ValueError);
  nb::register_exception_translator([](const std::exception_ptr& pointer, void*) {
    try {
      std::rethrow_exception(pointer);
    } catch (const IoError& error) {
      set_os_error(error);
    } catch (const OutOfMemory& error) {
      PyErr_SetString(PyExc_MemoryError, error.what());
    }
  });
}

}  // namespace gesso::bindings
