#!/bin/sh
# A host that compiles its own Eigen code with other instruction sets than the library, linked in both orders: the same
# bytes, whatever the host's flags are.
# usage: flags.sh COMPILER ROOT LIBRARY
set -eu
compiler=$1 root=$2 library=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
eigen=$(pkg-config --cflags eigen3 2>/dev/null || echo -I/usr/include/eigen3)

cat >host.cc <<'END'
#include <Eigen/Dense>
float host_product(int n) {
  const Eigen::MatrixXf a = Eigen::MatrixXf::Constant(n, n, 0.5f), b = Eigen::MatrixXf::Identity(n, n);
  return (a * b).sum() + a.array().exp().sum();
}
END
cat >main.cc <<'END'
#include <cstdint>
#include <cstdio>
#include <eddy/eddy.hpp>
float host_product(int n);
int main() {
  using namespace eddy;
  const float host = host_product(40);
  std::uint64_t hash = 14695981039346656037ull;
  for (const Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512, Isa::amx}) {
    if (!available(isa)) continue;
    const Context context(ContextOptions{.isa = isa, .threads = 2});
    const UNet unet({.sample_height = 8, .sample_width = 8, .in_channels = 1, .out_channels = 1,
                     .down_block_types = {DownBlock::down, DownBlock::attn_down}, .up_block_types = {UpBlock::attn_up, UpBlock::up},
                     .block_out_channels = {16, 32}, .layers_per_block = 1, .norm_num_groups = 4},
                    {.initialisation = Initialisation::torch, .context = context});
    const Tensor x = philox_noise(0).normal({2, 8, 8, 1}, kInitialNoise, context);
    const Tensor y = sample_ddim(from_v(unet), x, steps(trailing_levels(cosine_schedule(100), 4)), philox_noise(0));
    const auto* bytes = static_cast<const unsigned char*>(y.raw());
    for (std::int64_t i = 0; i < 4 * y.elements(); ++i) hash = (hash ^ bytes[i]) * 1099511628211ull;
  }
  std::printf("%016llx\n", static_cast<unsigned long long>(hash));
  return host > 0 ? 0 : 1;
}
END

flags=''
for set in 'avx2 fma:-mavx2 -mfma' 'avx512f avx512dq avx512bw avx512vl:-mfma -mavx512f -mavx512dq -mavx512bw -mavx512vl'; do
  missing=''
  for feature in ${set%%:*}; do grep -qw "$feature" /proc/cpuinfo || missing=$feature; done
  [ -n "$missing" ] || flags="$flags|${set#*:}"
done
"$compiler" -std=c++20 -O1 -I "$root/include" -c main.cc
expected=''
IFS='|'
for flag in ${flags:-|}; do
  IFS=' '
  "$compiler" -std=c++20 -O1 $eigen $flag -c host.cc
  for order in "main.o host.o $library" "main.o $library host.o"; do
    "$compiler" $order -pthread -o program
    got=$(./program)
    [ "${expected:=$got}" = "$got" ] || { echo "FAILED: host with '$flag', order $order: $got, expected $expected"; exit 1; }
  done
  IFS='|'
done
echo "flags: the same bytes, $expected"
