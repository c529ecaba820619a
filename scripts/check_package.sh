#!/bin/sh
# The installed package as a stranger uses it: find_package, pkg-config, add_subdirectory.
# usage: scripts/check_package.sh BUILD_FOLDER
set -eu
build=$(cd "$1" && pwd)
root=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say() { echo "package: $*"; }

cmake --install "$build" --prefix "$work/prefix" >/dev/null
LD_LIBRARY_PATH=$(dirname "$(find "$work/prefix" -name 'libeddy.*' | head -1)")
export LD_LIBRARY_PATH
for page in LICENSE README.md docs/training.md; do
  [ -f "$work/prefix/share/doc/eddy/$page" ] || { echo "package: $page is not installed"; exit 1; }
done

cmake -S "$root/examples/embed" -B "$work/embed" -DCMAKE_PREFIX_PATH="$work/prefix" >/dev/null
cmake --build "$work/embed" >/dev/null
"$work/embed/embed" | grep -q '^eddy ' && say "find_package works"
status=0
"$work/embed/embed" /nowhere "$work/a.png" 2>"$work/message" || status=$?
{ [ $status -eq 1 ] && grep -q nowhere "$work/message"; } || { echo "package: a missing model ends with $status"; exit 1; }

PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name eddy.pc)")
export PKG_CONFIG_PATH
# Flags of the host's own must not matter.
c++ -std=c++20 -Wall -Wextra -Werror "$root/examples/embed/main.cpp" -o "$work/by_pkg_config" $(pkg-config --cflags --libs eddy)
"$work/by_pkg_config" | grep -q '^eddy ' && say "pkg-config works"

mkdir "$work/host"
cat >"$work/host/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.21)
project(host LANGUAGES CXX)
add_subdirectory($root eddy)
add_executable(host $root/examples/embed/main.cpp)
target_link_libraries(host PRIVATE eddy::eddy)
get_directory_property(targets DIRECTORY $root/src BUILDSYSTEM_TARGETS)
if(NOT targets STREQUAL "eddy")
  message(FATAL_ERROR "stray targets: \${targets}")
endif()
foreach(property COMPILE_OPTIONS COMPILE_DEFINITIONS)
  get_target_property(value eddy INTERFACE_\${property})
  if(value)
    message(FATAL_ERROR "\${property} reaches the host: \${value}")
  endif()
endforeach()
END
cmake -S "$work/host" -B "$work/host/build" >/dev/null && say "add_subdirectory works"

# The same by FetchContent; without a build type the library is optimised none the less, and the host is not.
mkdir "$work/fetch"
cat >"$work/fetch/CMakeLists.txt" <<END
cmake_minimum_required(VERSION 3.21)
project(fetch LANGUAGES CXX)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
include(FetchContent)
FetchContent_Declare(eddy SOURCE_DIR $root)
FetchContent_MakeAvailable(eddy)
add_executable(fetch $root/examples/embed/main.cpp)
target_link_libraries(fetch PRIVATE eddy::eddy)
END
cmake -S "$work/fetch" -B "$work/fetch/build" -DFETCHCONTENT_FULLY_DISCONNECTED=ON >/dev/null
commands=$work/fetch/build/compile_commands.json
grep '"command"' "$commands" | grep 'src/tensor/tensor.cpp' | grep -q -- '-O2' || { echo "package: the library is not optimised"; exit 1; }
grep '"command"' "$commands" | grep 'embed/main.cpp' | grep -Eq -- '-O2|-m[af]|ffp-contract|-W' && { echo "package: flags reach the host"; exit 1; }
say "FetchContent works"

grep -rln --exclude=eigen.hpp 'Eigen\|nlohmann' "$work/prefix/include" "$work/prefix"/lib*/cmake 2>/dev/null && { say "private names are installed"; exit 1; }
say "nothing private is installed"
