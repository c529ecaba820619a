// Processor features and usable CPUs.
#include "base/cpu.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif
#if defined(_MSC_VER) && defined(_M_X64)
#include <immintrin.h>
#include <intrin.h>
#elif defined(__x86_64__)
#include <cpuid.h>
#endif

namespace eddy::inline v0_1 {

namespace {

#if defined(__x86_64__) || defined(_M_X64)

struct Leaf {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Leaf cpuid(unsigned leaf, unsigned sub) noexcept {
  Leaf r;
#if defined(_MSC_VER)
  int out[4];
  __cpuidex(out, static_cast<int>(leaf), static_cast<int>(sub));
  r = {static_cast<unsigned>(out[0]), static_cast<unsigned>(out[1]), static_cast<unsigned>(out[2]),
       static_cast<unsigned>(out[3])};
#else
  __get_cpuid_count(leaf, sub, &r.eax, &r.ebx, &r.ecx, &r.edx);
#endif
  return r;
}

unsigned long long xgetbv() noexcept {
#if defined(_MSC_VER)
  return _xgetbv(0);
#else
  unsigned low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<unsigned long long>(high) << 32) | low;
#endif
}

bool x86_has(Isa isa) noexcept {
  const Leaf basic = cpuid(1, 0);
  const bool osxsave = basic.ecx >> 27 & 1;
  if (!osxsave) return false;
  const unsigned long long saved = xgetbv();
  const Leaf extended = cpuid(7, 0);
  const bool fma = basic.ecx >> 12 & 1, f16c = basic.ecx >> 29 & 1, avx2 = extended.ebx >> 5 & 1;
  if ((saved & 0x6) != 0x6 || !fma || !f16c || !avx2) return false;
  if (isa == Isa::avx2) return true;
  const bool f = extended.ebx >> 16 & 1, dq = extended.ebx >> 17 & 1, bw = extended.ebx >> 30 & 1,
             vl = extended.ebx >> 31 & 1;
  return (saved & 0xe6) == 0xe6 && f && dq && bw && vl;
}

// Linux gives AMX's registers to a process that asks.
bool tiles_supported() noexcept {
#if defined(__linux__) && defined(SYS_arch_prctl)
  constexpr int kSupported = 0x1021;  // ARCH_GET_XCOMP_SUPP
  constexpr unsigned long long kTiles = 0x60000;
  unsigned long long saved = 0;
  return (xgetbv() & kTiles) == kTiles && syscall(SYS_arch_prctl, kSupported, &saved) == 0 && (saved & kTiles) == kTiles;
#else
  return false;
#endif
}

#endif

int affinity_cpus() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return CPU_COUNT(&set);
#endif
  return static_cast<int>(std::thread::hardware_concurrency());
}

constexpr double kNoQuota = 1e6;
constexpr double kNoMemoryLimit = 1e18;

// CPUs of the quota that one folder of a cgroup states.
double quota_of(const std::string& folder) {
  double quota = 0, period = 0;
  std::ifstream v2(folder + "/cpu.max");  // "max 100000" is no number: no quota
  if (v2 >> quota >> period && period > 0) return quota / period;
  std::ifstream v1_quota(folder + "/cpu.cfs_quota_us"), v1_period(folder + "/cpu.cfs_period_us");
  if (v1_quota >> quota && v1_period >> period && quota > 0 && period > 0) return quota / period;
  return kNoQuota;
}

// The number behind a name in lines of "name number"; 0 when it is not there.
double value_of(const std::string& path, const std::string& name) {
  std::ifstream lines(path);
  std::string key;
  for (double value; lines >> key >> value; lines.ignore(64, '\n')) {
    if (key == name) return value;
  }
  return 0;
}

// Bytes that one folder of a cgroup leaves: of its limit what is not in use. Files that it read and no longer looks at make room.
double memory_of(const std::string& folder) {
  const auto left = [&](const char* limit_file, const char* use_file, const char* inactive) {
    double limit = 0, use = 0;
    std::ifstream limits(folder + "/" + limit_file), uses(folder + "/" + use_file);  // "max" is no number: no limit
    if (!(limits >> limit && uses >> use)) return kNoMemoryLimit;
    return std::max(0.0, limit - use + value_of(folder + "/memory.stat", inactive));
  };
  return std::min(left("memory.max", "memory.current", "inactive_file"),
                  left("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"));
}

using Stated = double (*)(const std::string& folder);

// The least that is stated by a hierarchy's root and every group on the path below it; folders that are not there state nothing.
double least_on(const std::string& root, const std::string& path, Stated stated) {
  double least = stated(root);
  for (std::size_t end = 0; end != path.npos;) {
    end = path.find('/', end + 1);
    least = std::min(least, stated(root + path.substr(0, end)));
  }
  return least;
}

// The least that the cgroups of a controller state. A line of the list is "number:controllers:/path"; version 2 has no
// controllers.
double least_stated(const std::string& list, const std::string& root, const std::string& controller, Stated stated) {
  std::ifstream lines(list);
  double least = std::min(stated(root), stated(root + "/" + controller));
  for (std::string line; std::getline(lines, line);) {
    const std::size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == line.npos || line.find("..") != line.npos) continue;  // .. : outside of what can be seen here
    const std::string controllers = line.substr(first + 1, second - first - 1), path = line.substr(second + 1);
    if (controllers.empty()) least = std::min(least, least_on(root, path, stated));
    if (("," + controllers + ",").find("," + controller + ",") == std::string::npos) continue;
    for (const std::string& name : {controllers, controller}) {
      least = std::min(least, least_on(root + "/" + name, path, stated));
    }
  }
  return least;
}

}  // namespace

double cgroup_cpus(const std::string& list, const std::string& root) { return least_stated(list, root, "cpu", quota_of); }
double cgroup_memory(const std::string& list, const std::string& root) { return least_stated(list, root, "memory", memory_of); }

bool cpu_has(Isa isa) noexcept {
  switch (isa) {
    case Isa::best:
    case Isa::baseline:
      return true;
#if defined(__x86_64__) || defined(_M_X64)
    case Isa::avx2:
    case Isa::avx512:
      return x86_has(isa);
    case Isa::amx: {
      const ProductUnits units = product_units();
      return units.amx_int8 && units.tiles_saved;
    }
#endif
#if defined(__aarch64__) || defined(_M_ARM64)
    case Isa::neon:
      return true;
#endif
    default:
      return false;
  }
}

ProductUnits product_units() noexcept {
  ProductUnits u;
#if defined(__x86_64__) || defined(_M_X64)
  u.avx512 = x86_has(Isa::avx512);
  if (!u.avx512) return u;
  const Leaf extended = cpuid(7, 0), more = cpuid(7, 1);
  u.avx512_bf16 = extended.eax >= 1 && (more.eax >> 5 & 1);
  u.amx_bf16 = (extended.edx >> 22 & 1) && (extended.edx >> 24 & 1);
  u.amx_int8 = (extended.edx >> 24 & 1) && (extended.edx >> 25 & 1) && (extended.ecx >> 1 & 1);  // the last is AVX-512 VBMI
  u.tiles_saved = (u.amx_bf16 || u.amx_int8) && tiles_supported();
#endif
  return u;
}

bool request_tiles() noexcept {
#if defined(__linux__) && defined(SYS_arch_prctl) && defined(__x86_64__)
  constexpr int kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

const char* missing(Products products, const ProductUnits& u) noexcept {
  if (products == Products::f32) return "";
  if (!u.avx512) return "the CPU has no AVX-512";
  if (!u.avx512_bf16) return "the CPU has no AVX-512 BF16";
  if (products != Products::bf16_amx) return "";
  if (!u.amx_bf16) return "the CPU has no AMX BF16";
  return u.tiles_saved ? "" : kNoTiles;
}

std::size_t available_memory() {
  const double kilobytes = value_of("/proc/meminfo", "MemAvailable:") + value_of("/proc/meminfo", "SwapFree:");
  if (kilobytes == 0) return 0;  // no Linux
  const double left = std::min(1024 * kilobytes, cgroup_memory("/proc/self/cgroup", "/sys/fs/cgroup"));
  return static_cast<std::size_t>(std::max(1.0, left));
}

int usable_cpus() {
  const double allowed = cgroup_cpus("/proc/self/cgroup", "/sys/fs/cgroup");
  const int quota = static_cast<int>(std::ceil(std::min(allowed, kNoQuota)));
  return std::max(1, std::min(affinity_cpus(), quota));
}

}  // namespace eddy::inline v0_1
