// Marks for what kernels use too: functions and constant tables of the formats and of the random draws, and the few
// functions that nvcc shall let host code call as well.
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
