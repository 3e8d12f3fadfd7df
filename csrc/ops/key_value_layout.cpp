#include "ops/key_value_layout.h"

#include "ops/dispatch.h"
namespace gesso::ops {

KeyValueLayout key_value_layout(const Context& context, const KeyValueShape& shape) {
  return dispatch<cpu::key_value_layout, cuda::key_value_layout>(context, shape);
}

}  // namespace gesso::ops
