// CurrentDevice: lets the calling thread work on one device for a while.
#pragma once

namespace gesso::cuda {

class Queue;

// Makes a GPU the calling thread's current one as long as the object lives. Afterwards the thread has what it had
// before. So no caller, and no callback, sees that gesso uses another device than they do; and gesso does not mind
// which one they have chosen meanwhile. Every function of the CUDA backend that needs a device makes such an object,
// also within another one's life.
class CurrentDevice {
 public:
  explicit CurrentDevice(int device);  // CudaError
  explicit CurrentDevice(const Queue& queue);
  ~CurrentDevice();
  CurrentDevice(const CurrentDevice&) = delete;
  CurrentDevice& operator=(const CurrentDevice&) = delete;
};

}  // namespace gesso::cuda
