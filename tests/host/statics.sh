#!/bin/sh
# A host that holds configurations in static variables, which are made before main and maybe before the library's own.
# usage: statics.sh COMPILER ROOT LIBRARY
set -eu
compiler=$1 root=$2 library=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/main.cc" <<'END'
#include <eddy/eddy.hpp>
static const eddy::SchedulerConfig usual;
static const eddy::SchedulerConfig euler(R"({"_class_name": "EulerDiscreteScheduler", "use_karras_sigmas": true})");
static const eddy::SchedulerConfig solver = usual.with_sampler("dpmpp_2m");
int main() {
  for (const auto& config : {usual, euler, solver}) {
    if (eddy::sampling_of(config, {.steps = 5}).steps.size() != 5) return 1;
  }
}
END
"$compiler" -std=c++20 -I "$root/include" "$work/main.cc" "$library" -pthread -o "$work/main"
"$work/main" && echo "statics: configurations before main"
