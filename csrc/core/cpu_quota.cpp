#include "core/cpu_quota.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <vector>

namespace gesso {
namespace {

constexpr double kNone = std::numeric_limits<double>::infinity();

// A place where a tree of groups can be seen. In a container that may be a part of it.
struct Mount {
  bool is_version_2 = false;
  std::string root;   // the group that is at `point`
  std::string point;  // "/sys/fs/cgroup", "/sys/fs/cgroup/cpu,cpuacct"
};

bool lists_cpu(const std::string& comma_separated) {
  return ("," + comma_separated + ",").find(",cpu,") != std::string::npos;
}

// "36 35 0:31 <root> <point> rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct", with any number of words before the
// dash; a tree of version 2 has the type cgroup2.
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

// This process's group: "0::/a/b" in version 2, "4:cpu,cpuacct:/a/b" in version 1. "/" if it is not told.
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
  double quota = -1, period = 0;  // a quota of "max" is no number, and -1 means none
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
  // A group that the mount does not show ("..") has only what is at its top.
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

}  // namespace gesso
