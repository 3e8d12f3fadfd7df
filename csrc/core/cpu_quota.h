// The processor time that Linux control groups leave this process.
#pragma once

#include <string>

namespace gesso {

// In processors, 1.5 for one and a half: the smallest quota (cpu.max; in version 1, cpu.cfs_quota_us) of the group this
// process is in and of all groups above it that can be seen. Infinity where there is none, nor control groups at all.
// `root` stands in front of every path that is read, "" for the system's own.
double cpu_quota(const std::string& root = "");

}  // namespace gesso
