// The part of the CUDA driver's interface that gesso uses, for the emulator: the contexts of threads. The runtime finds
// the functions by name (cudaGetDriverEntryPointByVersion).
#pragma once

#include "cuda_types.h"

// The driver's error codes are those of the runtime.
enum CUresult {
  CUDA_SUCCESS = 0,
  CUDA_ERROR_INVALID_VALUE = 1,
  CUDA_ERROR_NO_DEVICE = 100,
  CUDA_ERROR_INVALID_DEVICE = 101,
  CUDA_ERROR_INVALID_CONTEXT = 201,
};

using CUdevice = int;
using CUcontext = struct CUctx_st*;
