#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <vector>

#include "core/platform/processors.h"

namespace gesso::platform {
namespace {

constexpr double kNone = std::numeric_limits<double>::infinity();

// A folder in which a tree of groups can be seen. Inside a container it may show only a part of the tree.
struct Mount {
  bool is_version_2 = false;
  std::string root;   // the group that the folder `point` shows: "/" or, for a part of the tree, "/docker/1f2e"
  std::string point;  // "/sys/fs/cgroup", "/sys/fs/cgroup/cpu,cpuacct"
};

bool lists_cpu(const std::string& comma_separated) {
  return ("," + comma_separated + ",").find(",cpu,") != std::string::npos;
}

// A line of /proc/self/mountinfo reads "36 35 0:31 <root> <point> rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct".
// Any number of words may stand before the dash. The word behind the dash is the type; version 2 has the type cgroup2.
std::vector<Mount> find_mounts(const std::string& root) {
  std::vector<Mount> mounts;
  std::ifstream file(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    std::istringstream front(line), back(line.substr(dash + 3));
    std::string skipped, type, options;
    Mount mount;
    front >> skipped >> skipped >> skipped >> mount.root >> mount.point;
    back >> type >> skipped >> options;
    mount.is_version_2 = type == "cgroup2";
    if (mount.is_version_2 || (type == "cgroup" && lists_cpu(options))) mounts.push_back(mount);
  }
  return mounts;
}

// The group of this process: /a/b, from a line "0::/a/b" (version 2) or "4:cpu,cpuacct:/a/b" (version 1). Without such
// a line it is "/".
std::string group_of(const std::string& root, bool is_version_2) {
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string number, controllers, path;
    std::getline(std::getline(std::getline(words, number, ':'), controllers, ':'), path);
    if (is_version_2 ? number == "0" && controllers.empty() : lists_cpu(controllers)) return path;
  }
  return "/";
}

double quota_in(const std::filesystem::path& folder, bool is_version_2) {
  double quota = -1, period = 0;  // no quota is stored as "max", which is not read as a number, or as -1
  if (is_version_2) {
    std::ifstream(folder / "cpu.max") >> quota >> period;
  } else {
    std::ifstream(folder / "cpu.cfs_quota_us") >> quota;
    std::ifstream(folder / "cpu.cfs_period_us") >> period;
  }
  return quota > 0 && period > 0 ? quota / period : kNone;
}

double quota_below(const std::string& root, const Mount& mount) {
  const std::filesystem::path group = group_of(root, mount.is_version_2);
  std::filesystem::path folder = root + mount.point;
  double quota = quota_in(folder, mount.is_version_2);
  // Where the mount does not show this process's group (the relative path begins with ".."), only the quota of the
  // mount's top group is known.
  const std::filesystem::path below = group.lexically_relative(mount.root);
  if (below.empty() || *below.begin() == "..") return quota;
  for (const std::filesystem::path& name : below) {
    folder /= name;
    quota = std::min(quota, quota_in(folder, mount.is_version_2));
  }
  return quota;
}

}  // namespace

double cpu_quota(const std::string& root) {
  double quota = kNone;
  for (const Mount& mount : find_mounts(root)) quota = std::min(quota, quota_below(root, mount));
  return quota;
}

}  // namespace gesso::platform
