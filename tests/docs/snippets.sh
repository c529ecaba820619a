#!/bin/sh
# Compiles every ```cpp block of README.md, CONTRIBUTING.md and docs/. A block with #include is a file, one that begins
# with a definition (`Tensor f(...) {`) stands in the library's namespace, anything else is the body of a function.
# Blocks of ```python are looked at for their syntax where there is python3.
# usage: snippets.sh COMPILER ROOT
set -eu
compiler=$1 root=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $*"; exit 1; }

cd "$root"
pages="README.md CONTRIBUTING.md $(find docs -name '*.md')"
for page in $pages; do
  awk -v stem="$work/$(echo "$page" | tr / _)" '
    /^ *```(cpp|python) *$/ { indent = index($0, "`") - 1; language = $0; gsub(/[ `]/, "", language)
                              file = sprintf("%s_line_%d.%s", stem, NR, language); next }
    /^ *```/ { if (file) close(file); file = "" }
    file { print substr($0, indent + 1) > file }' "$page"
done

count=0
for snippet in "$work"/*.cpp; do
  unit=$work/unit.cc
  if grep -q '^#include' "$snippet"; then
    cp "$snippet" "$unit"
  elif head -1 "$snippet" | grep -q '^[A-Z][A-Za-z]* [a-z_]*(.*{$'; then
    { echo '#include "eddy/eddy.hpp"'; echo '#include "sampler/support.hpp"'; echo 'namespace eddy::inline v0_1 {'
      cat "$snippet"; echo '}'; } >"$unit"
  else
    { echo '#include <eddy/eddy.hpp>'; echo 'void snippet() {'; cat "$snippet"; echo '}'; } >"$unit"
  fi
  inside=''
  grep -q 'support.hpp' "$unit" && inside="-I src"
  "$compiler" -std=c++20 -fsyntax-only -Wall -Wextra -Wno-unused -Werror -I include $inside "$unit" ||
    fail "$(basename "$snippet")"
  count=$((count + 1))
done
# Spelled in any way, an opening fence of C++ must have been found.
written=$(cat $pages | grep -ciE '^ *(```|~~~) *\{?\.?(c\+\+|cpp|cxx|cc)')
[ "$count" -ge 3 ] && [ "$count" -eq "$written" ] || fail "$count snippets of $written were found"

pythons=0
if command -v python3 >/dev/null; then
  for snippet in "$work"/*.python; do
    python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read())' "$snippet" || fail "$(basename "$snippet")"
    pythons=$((pythons + 1))
  done
fi
echo "snippets: $count of C++ compile, $pythons of Python are read"
