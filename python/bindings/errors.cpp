// Turns gesso's exceptions into Python's. FormatError and ArgumentError are ValueError, IoError is OSError
// (FileNotFoundError and others, by errno), OutOfMemory is MemoryError, and CudaError and
// BusyError are RuntimeError.
#include <cstring>

#include "bindings.h"
#include "gesso/error.h"

namespace gesso::bindings {
namespace {

// A message may name a path or key that is not UTF-8.
nb::object message_of(const std::exception& error) {
  return nb::steal(
      PyUnicode_DecodeUTF8(error.what(), static_cast<Py_ssize_t>(std::strlen(error.what())), "backslashreplace"));
}

void set_os_error(const IoError& error) {
  // OSError(errno, message) makes an object of the subclass that belongs to errno.
  nb::object exception = nb::borrow(PyExc_OSError)(error.error_number, message_of(error));
  PyErr_SetObject(exception.type().ptr(), exception.ptr());
}

}  // namespace

void bind_errors(nb::module_& module) {
  // Both are subclasses of ValueError. A caller can tell a bad file from a bad argument, or catch both at once.
  // They are never destroyed, because C++ would do it after Python has ended.
  static const auto& format_error = *new nb::exception<FormatError>(module, "FormatError", PyExc_ValueError);
  static const auto& argument_error = *new nb::exception<ArgumentError>(module, "ArgumentError", PyExc_ValueError);
  static const auto& cuda_error = *new nb::exception<CudaError>(module, "CudaError", PyExc_RuntimeError);
  static const auto& busy_error = *new nb::exception<BusyError>(module, "BusyError", PyExc_RuntimeError);
  nb::register_exception_translator([](const std::exception_ptr& pointer, void*) {
    try {
      std::rethrow_exception(pointer);
    } catch (const IoError& error) {
      set_os_error(error);
    } catch (const OutOfMemory& error) {
      PyErr_SetObject(PyExc_MemoryError, message_of(error).ptr());
    } catch (const CudaError& error) {
      PyErr_SetObject(cuda_error.ptr(), message_of(error).ptr());
    } catch (const BusyError& error) {
      PyErr_SetObject(busy_error.ptr(), message_of(error).ptr());
    } catch (const FormatError& error) {
      PyErr_SetObject(format_error.ptr(), message_of(error).ptr());
    } catch (const ArgumentError& error) {
      PyErr_SetObject(argument_error.ptr(), message_of(error).ptr());
    }
  });
}

}  // namespace gesso::bindings
