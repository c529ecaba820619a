#!/bin/sh
# arm64 on another machine: cross-compiles with Debian's g++-aarch64-linux-gnu, runs tests under qemu-user. Gets what is
# missing; not as root, it says which line does. Tags that are named limit the tests: `scripts/test_arm64.sh '[ops],[model]'`.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh g++-aarch64-linux-gnu qemu-user-static

build=build/arm64
cmake --preset arm64 -DEDDY_WERROR=ON >/dev/null
cmake --build $build -j "$(nproc)" --target eddy_tests | tail -1
scripts/check_symbols.sh $build/src/libeddy.a
qemu-aarch64-static $build/tests/eddy_tests "$@"
