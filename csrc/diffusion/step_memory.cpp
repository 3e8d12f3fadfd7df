#include "diffusion/step_memory.h"

#include "ops/memory.h"

namespace gesso::diffusion {

StepMemory::StepMemory(const Context& context, const ModelConfig& config, int64_t num_canvases)
    : canvas_length_(config.canvas_length),
      num_rows_(num_canvases * config.canvas_length),
      hidden_size_(config.hidden_size),
      soft_embedding_(ops::allocate<float>(context, num_rows_ * hidden_size_)),
      device_stats_(ops::allocate<int32_t>(context, 3 * num_rows_)),
      host_stats_(ops::allocate_host<int32_t>(context, 3 * num_rows_)) {}

StepMemory::Words StepMemory::words(int32_t* data) const {
  return {reinterpret_cast<float*>(data), data + num_rows_, data + 2 * num_rows_};
}

model::CanvasRows StepMemory::canvas_rows(std::span<const ops::HeadRow> rows) const {
  const Words device = words(device_stats_.data());
  const size_t count = rows.size();
  return {rows,
          Matrix(soft_embedding_.data(), static_cast<int64_t>(count), hidden_size_),
          {{device.entropy, count}, {device.argmax, count}, {device.sampled, count}}};
}

void StepMemory::read_back(const Context& context) {
  ops::copy_to_host(context, device_stats_.data(), 3 * num_rows_ * static_cast<int64_t>(sizeof(int32_t)),
                    host_stats_.data());
  ops::synchronize(context);
}

CanvasStatistics StepMemory::statistics(int64_t canvas) const {
  const Words host = words(host_stats_.data());
  const int64_t first = canvas * canvas_length_;
  const auto count = static_cast<size_t>(canvas_length_);
  return {{host.entropy + first, count}, {host.argmax + first, count}, {host.sampled + first, count}};
}

void StepMemory::move_soft_embedding(const Context& context, int64_t from, int64_t to) {
  if (from == to) return;
  const int64_t size = canvas_length_ * hidden_size_;
  ops::copy_within_device(context, soft_embedding_.data() + from * size, size * static_cast<int64_t>(sizeof(float)),
                          soft_embedding_.data() + to * size);
}

}  // namespace gesso::diffusion
