// Statuses of the C interface: what is thrown becomes one, and its message is kept for the thread.
#pragma once

#include <exception>
#include <new>

#include "gesso/error.h"
#include "gesso/gesso.h"

namespace gesso::c {

// Keeps the message for gesso_last_error(), and returns the status.
gesso_status fail(gesso_status status, const char* message) noexcept;

// Runs `body` and turns whatever it throws into a status.
template <typename Body>
gesso_status guarded(const Body& body) noexcept {
  try {
    body();
    return GESSO_OK;
  } catch (const FormatError& error) {
    return fail(GESSO_FORMAT_ERROR, error.what());
  } catch (const ArgumentError& error) {
    return fail(GESSO_ARGUMENT_ERROR, error.what());
  } catch (const IoError& error) {
    return fail(GESSO_IO_ERROR, error.what());
  } catch (const NumericsError& error) {
    return fail(GESSO_NUMERICS_ERROR, error.what());
  } catch (const CudaError& error) {
    return fail(GESSO_CUDA_ERROR, error.what());
  } catch (const BusyError& error) {
    return fail(GESSO_BUSY_ERROR, error.what());
  } catch (const QueueFull& error) {
    return fail(GESSO_QUEUE_FULL, error.what());
  } catch (const DeadlineExceeded& error) {
    return fail(GESSO_DEADLINE_EXCEEDED, error.what());
  } catch (const Interrupted& error) {
    return fail(GESSO_INTERRUPTED, error.what());
  } catch (const OutOfMemory& error) {
    return fail(GESSO_OUT_OF_MEMORY, error.what());
  } catch (const std::bad_alloc&) {
    return fail(GESSO_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& error) {
    return fail(GESSO_OTHER_ERROR, error.what());
  } catch (...) {
    return fail(GESSO_OTHER_ERROR, "unknown error");
  }
}

}  // namespace gesso::c
