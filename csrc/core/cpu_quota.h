// How much processor time the Linux control groups (cgroups) allow this process. Containers are limited by them.
#pragma once

#include <string>

namespace gesso {

// The quota in processors: 1.5 means that the process may keep one and a half processors busy. A group stores its quota
// in the file cpu.max (in version 1 of control groups: cpu.cfs_quota_us). The function returns the smallest quota of
// the process's own group and of all groups above it that can be seen. It returns infinity where no group has a quota,
// and on systems without control groups. `root` is put in front of every path that is read, for tests; the files of the
// system itself have the root "".
double cpu_quota(const std::string& root = "");

}  // namespace gesso
