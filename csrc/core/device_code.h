// Marks for functions and tables that GPU kernels use too, such as the decoders of the formats and the random draws.
// nvcc compiles what is marked GESSO_DEVICE for the GPU only, and GESSO_HOST_DEVICE for both. For other compilers the
// marks mean nothing.
#pragma once

#ifdef __CUDACC__
#define GESSO_DEVICE __device__
#define GESSO_HOST_DEVICE __host__ __device__
#define GESSO_DEVICE_TABLE static __device__
#else
#define GESSO_DEVICE
#define GESSO_HOST_DEVICE
#define GESSO_DEVICE_TABLE inline
#endif
