#include "ops/key_value_layout.h"

namespace gesso::ops {

KeyValueLayout key_value_layout(const Context& context, const KeyValueShape& shape) { return dispatch(context, shape); }

}  // namespace gesso::ops
