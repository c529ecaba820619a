#include "base/cpu.hpp"

#include <filesystem>
#include <fstream>

#include "support/catch.hpp"
#include "support/temporary.hpp"

using namespace eddy;

namespace {

void write(const std::string& path, const std::string& text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path) << text;
}

}  // namespace

TEST_CASE("cpu: the smallest quota on the path of the process's cgroup counts, version 2") {
  const test::Temporary folder;
  const std::string list = folder / "list", root = folder / "root";
  write(list, "0::/system.slice/trainer.service/worker\n");
  CHECK(cgroup_cpus(list, root) >= 1e6);  // nothing is mounted
  write(root + "/cpu.max", "max 100000\n");
  write(root + "/system.slice/cpu.max", "800000 100000\n");
  write(root + "/system.slice/trainer.service/cpu.max", "150000 100000\n");
  write(root + "/system.slice/trainer.service/worker/cpu.max", "max 100000\n");
  write(root + "/other.slice/cpu.max", "10000 100000\n");
  CHECK(cgroup_cpus(list, root) == 1.5);
  write(root + "/system.slice/trainer.service/worker/cpu.max", "50000 100000\n");
  CHECK(cgroup_cpus(list, root) == 0.5);
  write(list, "0::/\n");
  CHECK(cgroup_cpus(list, root) >= 1e6);
  write(root + "/cpu.max", "300000 100000\n");  // inside a container its own is the root
  CHECK(cgroup_cpus(list, root) == 3);
  CHECK(cgroup_cpus(folder / "absent", root) == 3);
  write(list, "0::/../../other.slice\n");
  CHECK(cgroup_cpus(list, root) == 3);
}

TEST_CASE("cpu: what the tightest cgroup leaves of memory") {
  const test::Temporary folder;
  const std::string list = folder / "list", root = folder / "root";
  write(list, "0::/a/b\n");
  CHECK(cgroup_memory(list, root) >= 1e18);
  write(root + "/a/memory.max", "max\n");
  write(root + "/a/memory.current", "5000\n");
  CHECK(cgroup_memory(list, root) >= 1e18);
  write(root + "/a/b/memory.max", "1000\n");
  CHECK(cgroup_memory(list, root) >= 1e18);  // its use is not told
  write(root + "/a/b/memory.current", "700\n");
  CHECK(cgroup_memory(list, root) == 300);
  write(root + "/a/b/memory.stat", "anon 500\ninactive_file 150\nactive_file 50\n");
  CHECK(cgroup_memory(list, root) == 450);
  write(root + "/a/memory.max", "5100\n");
  CHECK(cgroup_memory(list, root) == 100);
  write(root + "/a/memory.current", "6000\n");
  CHECK(cgroup_memory(list, root) == 0);

  write(list, "7:memory:/docker/c\n4:cpu,cpuacct:/docker/d\n");
  write(root + "/memory/memory.limit_in_bytes", "9223372036854771712\n");
  write(root + "/memory/memory.usage_in_bytes", "1000\n");
  CHECK(cgroup_memory(list, root) >= 1e18);
  write(root + "/memory/docker/c/memory.limit_in_bytes", "2000\n");
  write(root + "/memory/docker/c/memory.usage_in_bytes", "1500\n");
  write(root + "/memory/docker/c/memory.stat", "cache 900\ninactive_file 1\ntotal_inactive_file 400\n");
  CHECK(cgroup_memory(list, root) == 900);
  write(root + "/cpu/docker/d/memory.limit_in_bytes", "10\n");
  write(root + "/cpu/docker/d/memory.usage_in_bytes", "9\n");
  CHECK(cgroup_memory(list, root) == 900);
}

TEST_CASE("cpu: this system has memory left") {
#if defined(__linux__)
  CHECK(available_memory() > (std::size_t{16} << 20));
  CHECK(available_memory() < (std::size_t{1} << 50));
#endif
}

TEST_CASE("cpu: the smallest quota on the path of the process's cgroup counts, version 1") {
  const test::Temporary folder;
  const std::string list = folder / "list", root = folder / "root", group = root + "/cpu,cpuacct/docker";
  write(list, "5:cpuset:/docker/small\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n");
  write(root + "/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  write(root + "/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  CHECK(cgroup_cpus(list, root) >= 1e6);
  write(group + "/abc/cpu.cfs_quota_us", "250000\n");
  write(group + "/abc/cpu.cfs_period_us", "100000\n");
  write(root + "/cpu,cpuacct/docker/small/cpu.cfs_quota_us", "1000\n");
  write(root + "/cpu,cpuacct/docker/small/cpu.cfs_period_us", "100000\n");
  CHECK(cgroup_cpus(list, root) == 2.5);
}
