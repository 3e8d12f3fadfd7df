// The processors that this process may use, and what they can do.
#pragma once

#include <string>
#include <vector>

namespace gesso::platform {

// How many processors this process may run on.
int num_processors();

// How much processor time the system allows this process, in processors: 1.5 means that it may keep one and a half
// processors busy. Containers are limited in this way. Linux stores the quota of a control group (cgroup) in the file
// cpu.max, in version 1 in cpu.cfs_quota_us. The function returns the smallest quota of the process's own group and of
// all groups above it that can be seen. It returns infinity where no group has a quota, and on systems without control
// groups. `root` is put in front of every path that is read, for tests; those of the system itself have the root "".
double cpu_quota(const std::string& root = "");

// What is known of this machine's processors: nothing on systems that do not tell it.
struct ProcessorKind {
  std::string name;                   // where there are several kinds, all of their names
  std::vector<std::string> features;  // as Linux spells them: "avx512_vnni", "amx_int8", "sve"
  int num_cores = 0;
  int num_hardware_threads = 0;
};
// `root` is for tests, as above.
ProcessorKind processor_kind(const std::string& root = "");

// Whether an Arm processor has the dot products of Armv8.2. On other processors it means nothing.
bool has_dot_products();
// The same for its products of matrices of 8-bit integers (FEAT_I8MM: Neoverse V1 and V2, so Grace, too).
bool has_matrix_products();

}  // namespace gesso::platform
