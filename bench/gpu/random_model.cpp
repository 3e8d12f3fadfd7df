#include "random_model.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <span>
#include <thread>

#include "core/check.h"
#include "diffusion/defaults.h"
#include "io/gguf.h"
#include "model/config.h"
#include "model/place_weights.h"
#include "ops/memory.h"

namespace gesso::bench {
namespace {

ops::Device find_device(int index) {
  const std::vector<ops::Device> devices = ops::devices();
  check(index >= 0 && index < std::ssize(devices), "device: there are ", devices.size(), " GPUs, no number ", index);
  return devices[index];
}

ActivationType choose_activations(const std::string& name, const ops::Device& device) {
  check(name == "auto" || name == "bf16" || name == "int8", "activations: expected auto, bf16 or int8, got ", name);
  if (name == "auto") return ops::default_activations(device);
  return name == "int8" ? ActivationType::kInt8 : ActivationType::kBF16;
}

// Like io::open_gguf, but the pages can be written, which does not change the file. A device that reads the host's
// memory fills the matrices there.
io::GgufFile open_writable(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY);
  struct stat status {};
  check(file >= 0 && fstat(file, &status) == 0, path, ": cannot be opened");
  const auto num_bytes = static_cast<size_t>(status.st_size);
  void* data = mmap(nullptr, num_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, file, 0);
  close(file);
  check(data != MAP_FAILED, path, ": cannot be mapped");
  std::shared_ptr<const void> owner(data, [num_bytes](void* mapping) { munmap(mapping, num_bytes); });
  io::GgufFile gguf = io::parse_gguf(std::span(static_cast<const std::byte*>(data), num_bytes));
  gguf.owner = std::move(owner);
  return gguf;
}

}  // namespace

RandomModel::RandomModel(const std::string& path, int device_index, const std::string& activations)
    : device(find_device(device_index)),
      queue(ops::make_queue(device_index)),
      current_device(device_index),
      random(context) {
  context.num_threads = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  context.queue = queue.get();
  context.activations = choose_activations(activations, device);
  const io::GgufFile file = open_writable(path);
  config = model::read_config(file);
  config.generation = diffusion::read_defaults(file.metadata, config);
  weights = model::load_weights(file, config);
  model::place_weights(context, config, device, weights, {});
  random.fill_matrices(weights);
  ops::synchronize(context);
}

}  // namespace gesso::bench
