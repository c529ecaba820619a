#!/bin/sh
# Gets what is missing, builds, runs every test.
# usage: scripts/test.sh [BUILD_FOLDER] [CMAKE_ARGUMENT...]
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh

build=${1:-build}
[ $# -eq 0 ] || shift
cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DEDDY_BUILD_TESTS=ON "$@"
cmake --build "$build" -j "$(nproc)"
ctest --test-dir "$build" --output-on-failure
