#!/bin/sh
# What must not compile: the marked lines of misuse.cpp, and only they.
# usage: misuse.sh COMPILER ROOT
set -eu
compiler=$1 root=$2
source=$root/tests/compile_fail/misuse.cpp
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

status=0
case $("$compiler" --version) in *clang*) other=g++ ;; *) other=clang++ ;; esac
for each in "$compiler" "$other"; do
  command -v "$each" >/dev/null || continue
  case $("$each" --version) in *clang*) all=-ferror-limit=0 ;; *) all=-fmax-errors=0 ;; esac
  LC_ALL=C "$each" -std=c++20 -fsyntax-only "$all" -I "$root/include" "$source" 2>"$work/errors" || :
  awk -v compiler="$each" '
    FNR == NR {
      if (match($0, /misuse\.cpp:[0-9]+:[0-9]+: (fatal )?error: /)) {
        split(substr($0, RSTART), part, ":")
        said[part[2]] = said[part[2]] "\n  " $0
      }
      next
    }
    {
      at = index($0, "// wrong: ")
      if (FNR > 2 && at) {
        wrong++
        if (!(FNR in said)) { print "FAILED: " compiler " takes line " FNR ": " $0; bad = 1 }
        else if (said[FNR] !~ substr($0, at + 10)) { print "FAILED: other reason, line " FNR ":" said[FNR]; bad = 1 }
      } else if (FNR in said) { print "FAILED: line " FNR " is refused:" said[FNR]; bad = 1 }
    }
    END {
      if (!bad) print "misuse: " compiler " refuses " wrong " lines"
      exit bad || !wrong
    }' "$work/errors" "$source" || status=1
done
exit $status
