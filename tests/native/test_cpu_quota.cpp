// Processor quotas of control groups, read from made-up folders that look like those of real machines and containers.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>

#include "core/platform/processors.h"

namespace {

using gesso::platform::cpu_quota;

class Tree {
 public:
  Tree() { std::filesystem::remove_all(root_); }
  ~Tree() { std::filesystem::remove_all(root_); }

  const std::string& root() const { return root_; }
  void write(const std::string& path, const std::string& content) const {
    const std::filesystem::path file = root_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << content << "\n";
  }
  void version_2(const std::string& group, const std::string& mount_root = "/") const {
    write("/proc/self/cgroup", "0::" + group);
    write("/proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 24 0:26 " + mount_root +
                                      " /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate");
  }
  void version_1(const std::string& group, const std::string& mount_root = "/") const {
    write("/proc/self/cgroup", "5:cpuset:/elsewhere\n4:cpu,cpuacct:" + group + "\n0::/");
    write("/proc/self/mountinfo", "31 23 0:28 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n32 23 0:29 " +
                                      mount_root + " /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct");
  }

 private:
  std::string root_ = std::filesystem::temp_directory_path() / ("gesso_cgroup_" + std::to_string(::getpid()));
};

}  // namespace

TEST_CASE("no control groups: no quota") {
  const Tree tree;
  CHECK(std::isinf(cpu_quota(tree.root())));
  CHECK(cpu_quota() > 0);
}

TEST_CASE("version 2: the smallest quota from the group to the top") {
  const Tree tree;
  tree.version_2("/kube/pod/container");
  tree.write("/sys/fs/cgroup/kube/cpu.max", "max 100000");
  CHECK(std::isinf(cpu_quota(tree.root())));
  tree.write("/sys/fs/cgroup/kube/pod/cpu.max", "150000 100000");
  CHECK(cpu_quota(tree.root()) == 1.5);
  tree.write("/sys/fs/cgroup/kube/pod/container/cpu.max", "400000 100000");
  CHECK(cpu_quota(tree.root()) == 1.5);
  tree.write("/sys/fs/cgroup/kube/pod/container/cpu.max", "5000 20000");
  CHECK(cpu_quota(tree.root()) == 0.25);
  tree.write("/sys/fs/cgroup/other/cpu.max", "1000 100000");
  CHECK(cpu_quota(tree.root()) == 0.25);
}

TEST_CASE("version 2 in a container with its own names: the group is at the top") {
  const Tree tree;
  tree.version_2("/");
  tree.write("/sys/fs/cgroup/cpu.max", "200000 100000");
  CHECK(cpu_quota(tree.root()) == 2);
}

TEST_CASE("a mount that shows only a part of the tree") {
  const Tree tree;
  tree.write("/sys/fs/cgroup/cpu.max", "300000 100000");
  tree.write("/sys/fs/cgroup/inner/cpu.max", "100000 100000");
  tree.version_2("/docker/abc/inner", "/docker/abc");
  CHECK(cpu_quota(tree.root()) == 1);
  tree.version_2("/docker/abcdef/inner", "/docker/abc");  // not below the mount's root: the top's quota holds
  CHECK(cpu_quota(tree.root()) == 3);
  tree.version_2("/../other", "/");
  CHECK(cpu_quota(tree.root()) == 3);
}

TEST_CASE("version 1") {
  const Tree tree;
  const std::string folder = "/sys/fs/cgroup/cpu,cpuacct";
  tree.version_1("/docker/abc");
  tree.write(folder + "/docker/abc/cpu.cfs_period_us", "100000");
  CHECK(std::isinf(cpu_quota(tree.root())));
  tree.write(folder + "/docker/abc/cpu.cfs_quota_us", "-1");
  CHECK(std::isinf(cpu_quota(tree.root())));
  tree.write(folder + "/docker/abc/cpu.cfs_quota_us", "250000");
  CHECK(cpu_quota(tree.root()) == 2.5);
  tree.write("/sys/fs/cgroup/cpuset/elsewhere/cpu.cfs_quota_us", "1");
  CHECK(cpu_quota(tree.root()) == 2.5);
}

TEST_CASE("files that say nonsense are no quota") {
  const Tree tree;
  tree.version_2("/a");
  for (const char* content : {"", "x", "100000", "100000 0", "-5 100000", "0 100000"}) {
    tree.write("/sys/fs/cgroup/a/cpu.max", content);
    CHECK(std::isinf(cpu_quota(tree.root())));
  }
  tree.write("/proc/self/mountinfo", "short\n1 2 - cgroup2\n");
  tree.write("/proc/self/cgroup", "no colons");
  CHECK(std::isinf(cpu_quota(tree.root())));
}
