// Turns gesso's exceptions into Python's. FormatError and ArgumentError are ValueError, IoError is OSError
// (FileNotFoundError and others, by errno), OutOfMemory is MemoryError, CudaError, BusyError and QueueFull are
// RuntimeError, DeadlineExceeded is TimeoutError, and NumericsError is ArithmeticError.
#include <nanobind/stl/string.h>

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

// Adds a read-only attribute to the class. An object has its value under "_<name>".
void add_property(const nb::object& type, const char* name, const char* signature) {
  const std::string hidden = std::string("_") + name;
  const nb::object getter =
      nb::cpp_function([hidden](nb::handle self) { return nb::object(self.attr(hidden.c_str())); }, nb::scope(type),
                       nb::name(name), nb::is_method(), nb::sig(signature));
  type.attr(name) = nb::handle(reinterpret_cast<PyObject*>(&PyProperty_Type))(getter);
}

void set_numerics_error(nb::handle type, const NumericsError& error) {
  nb::object exception = type(message_of(error));
  exception.attr("_sequence") = error.sequence;
  exception.attr("_canvas") = error.canvas;
  exception.attr("_step") = error.step;
  exception.attr("_layer") = error.layer >= 0 ? nb::object(nb::int_(error.layer)) : nb::none();
  exception.attr("_place") = error.place;
  PyErr_SetObject(type.ptr(), exception.ptr());
}

}  // namespace

void bind_errors(nb::module_& module) {
  // Both are subclasses of ValueError. A caller can tell a bad file from a bad argument, or catch both at once.
  // They are never destroyed, because C++ would do it after Python has ended.
  static const auto& format_error = *new nb::exception<FormatError>(module, "FormatError", PyExc_ValueError);
  static const auto& argument_error = *new nb::exception<ArgumentError>(module, "ArgumentError", PyExc_ValueError);
  static const auto& cuda_error = *new nb::exception<CudaError>(module, "CudaError", PyExc_RuntimeError);
  static const auto& busy_error = *new nb::exception<BusyError>(module, "BusyError", PyExc_RuntimeError);
  static const auto& queue_full = *new nb::exception<QueueFull>(module, "QueueFull", PyExc_RuntimeError);
  static const auto& deadline_exceeded =
      *new nb::exception<DeadlineExceeded>(module, "DeadlineExceeded", PyExc_TimeoutError);
  static const auto& numerics_error = *new nb::exception<NumericsError>(module, "NumericsError", PyExc_ArithmeticError);
  numerics_error.attr("__doc__") =
      "A step's numbers are not finite: a weight is NaN or infinite, or the numbers grow beyond float32.\n\n"
      "`sequence` is the index in the batch; `canvas` and `step` are those of StepEvent, and 0 for Session.denoise.\n"
      "`place` is the first part of the model whose numbers are not finite, for example \"layer 3\" or \"the head\".\n"
      "`layer` is the number of that layer; None where `place` is no layer.";
  add_property(numerics_error, "sequence", "def sequence(self) -> int");
  add_property(numerics_error, "canvas", "def canvas(self) -> int");
  add_property(numerics_error, "step", "def step(self) -> int");
  add_property(numerics_error, "layer", "def layer(self) -> int | None");
  add_property(numerics_error, "place", "def place(self) -> str");
  nb::register_exception_translator([](const std::exception_ptr& pointer, void*) {
    try {
      std::rethrow_exception(pointer);
    } catch (const IoError& error) {
      set_os_error(error);
    } catch (const OutOfMemory& error) {
      PyErr_SetObject(PyExc_MemoryError, message_of(error).ptr());
    } catch (const CudaError& error) {
      PyErr_SetObject(cuda_error.ptr(), message_of(error).ptr());
    } catch (const NumericsError& error) {
      set_numerics_error(numerics_error, error);
    } catch (const BusyError& error) {
      PyErr_SetObject(busy_error.ptr(), message_of(error).ptr());
    } catch (const QueueFull& error) {
      PyErr_SetObject(queue_full.ptr(), message_of(error).ptr());
    } catch (const DeadlineExceeded& error) {
      PyErr_SetObject(deadline_exceeded.ptr(), message_of(error).ptr());
    } catch (const FormatError& error) {
      PyErr_SetObject(format_error.ptr(), message_of(error).ptr());
    } catch (const ArgumentError& error) {
      PyErr_SetObject(argument_error.ptr(), message_of(error).ptr());
    }
  });
}

}  // namespace gesso::bindings
