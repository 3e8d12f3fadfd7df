#include "core/dtype.h"

#include "core/dtype_table.h"

namespace gesso {

std::span<const DTypeInfo> all_dtypes() { return kDTypes; }

const DTypeInfo* find_dtype(uint32_t id) {
  for (const DTypeInfo& info : kDTypes) {
    if (static_cast<uint32_t>(info.dtype) == id) return &info;
  }
  return nullptr;
}

const DTypeInfo* find_dtype(const std::string& name) {
  for (const DTypeInfo& info : kDTypes) {
    if (name == info.name) return &info;
  }
  return nullptr;
}

const DTypeInfo& dtype_info(DType dtype) { return *find_dtype(static_cast<uint32_t>(dtype)); }

}  // namespace gesso
