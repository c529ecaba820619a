#!/bin/sh
# Compiles every ```cpp block of README.md and docs/. A block with #include is a file, one that begins with a definition
# (`Tensor f(...) {`) stands in the library's namespace, anything else is the body of a function.
# usage: snippets.sh COMPILER ROOT
set -eu
compiler=$1 root=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cd "$root"
find README.md CONTRIBUTING.md docs -name '*.md' | while read -r page; do
  awk -v stem="$work/$(echo "$page" | tr / _)" '
    /^ *```cpp/ { inside = 1; indent = index($0, "`") - 1; file = sprintf("%s_line_%d.cpp", stem, NR); next }
    /^ *```/ { if (inside) close(file); inside = 0 }
    inside { print substr($0, indent + 1) > file }' "$page"
done

count=0
for snippet in "$work"/*.cpp; do
  unit=$work/unit.cc
  if grep -q '^#include' "$snippet"; then
    cp "$snippet" "$unit"
  elif head -1 "$snippet" | grep -q '^[A-Z][A-Za-z]* [a-z_]*(.*{$'; then
    { echo '#include "eddy/eddy.hpp"'; echo '#include "sampler/support.hpp"'; echo 'namespace eddy::inline v0_1 {'; cat "$snippet"; echo '}'; } >"$unit"
  else
    { echo '#include <eddy/eddy.hpp>'; echo 'void snippet() {'; cat "$snippet"; echo '}'; } >"$unit"
  fi
  "$compiler" -std=c++20 -fsyntax-only -I include -I src "$unit" || { echo "FAILED: $(basename "$snippet")"; exit 1; }
  count=$((count + 1))
done
[ "$count" -ge 3 ] || { echo "FAILED: only $count snippets were found"; exit 1; }
echo "snippets: $count compile"
