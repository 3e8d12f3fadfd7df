// Marks for what kernels use too: functions and constant tables of the formats and of the random draws.
#pragma once

#ifdef __CUDACC__
#define GESSO_DEVICE __device__
#define GESSO_DEVICE_TABLE static __device__
#else
#define GESSO_DEVICE
#define GESSO_DEVICE_TABLE inline
#endif
