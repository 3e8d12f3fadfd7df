// The exceptions of gesso. The library never prints, aborts or exits: every failure is one of these, or std::bad_alloc.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

#include "gesso/export.h"

namespace gesso {

// The base of all gesso errors. what() names the thing, what was expected and what came.
class GESSO_API Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The content of a file is not what it must be. The message names the offset, key or tensor. Python: ValueError.
class GESSO_API FormatError : public Error {
 public:
  using Error::Error;
};

// A caller's argument is out of range or of the wrong shape. Python: ValueError.
class GESSO_API ArgumentError : public Error {
 public:
  using Error::Error;
};

// The operating system refused to open, read, map or write a file. Python: OSError (FileNotFoundError for ENOENT).
class GESSO_API IoError : public Error {
 public:
  IoError(const std::string& message, int number) : Error(message), error_number(number) {}

  int error_number;  // errno of the failed call
};

// A request for memory that cannot be met. Python: MemoryError.
class GESSO_API OutOfMemory : public Error {
 public:
  OutOfMemory(const std::string& message, uint64_t asked, uint64_t available = 0)
      : Error(message), asked_bytes(asked), free_bytes(available) {}

  uint64_t asked_bytes;
  uint64_t free_bytes;  // on the device that was asked; 0 for the host
};

// A call of the CUDA runtime failed, or a kernel failed. `code` is its cudaError_t. Python: RuntimeError.
class GESSO_API CudaError : public Error {
 public:
  CudaError(const std::string& message, int number) : Error(message), code(number) {}

  int code;
};

// A step's numbers are not finite: a weight is NaN or infinite, or the numbers grow beyond float32. The message has
// what the members say. Python: ArithmeticError.
class GESSO_API NumericsError : public Error {
 public:
  NumericsError(const std::string& message, int64_t in_sequence, int64_t in_canvas, int64_t in_step, int64_t in_layer,
                const std::string& at)
      : Error(message), sequence(in_sequence), canvas(in_canvas), step(in_step), layer(in_layer), place(at) {}

  int64_t sequence;   // index in the batch
  int64_t canvas;     // as in StepEvent; 0 for Session::denoise
  int64_t step;       // as in StepEvent; 0 for Session::denoise
  int64_t layer;      // the first layer whose numbers are not finite; -1 where `place` is no layer
  std::string place;  // the first part of the model whose numbers are not finite, for example "layer 3" or "the head"
};

// An object is in use: another thread is inside one of its calls, or the call comes from one of its own callbacks. Such
// objects are sessions, and checkpoints that are put together by hand. The refused call has changed nothing. It may be
// made again when the other call has returned. Python: gesso.BusyError, a RuntimeError. C: GESSO_BUSY_ERROR.
class GESSO_API BusyError : public Error {
 public:
  using Error::Error;
};

// An engine has as many waiting requests as it may have. The request may be submitted again later. Python:
// gesso.QueueFull, a RuntimeError. C: GESSO_QUEUE_FULL.
class GESSO_API QueueFull : public Error {
 public:
  using Error::Error;
};

// A request's deadline passed before its first canvas was done. Python: gesso.DeadlineExceeded, a TimeoutError. C:
// GESSO_DEADLINE_EXCEEDED.
class GESSO_API DeadlineExceeded : public Error {
 public:
  using Error::Error;
};

// The caller's `interrupted` callback returned true. Python: what the signal handler raised (KeyboardInterrupt).
class GESSO_API Interrupted : public Error {
 public:
  Interrupted() : Error("interrupted by the caller") {}
};

}  // namespace gesso
