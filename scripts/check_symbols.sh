#!/bin/sh
# Instruction sets must not mix, and Eigen must not reach a host.
# usage: scripts/check_symbols.sh libeddy.a
set -eu
archive=$1
if nm -C "$archive" 2>/dev/null | grep -E '(^|[^_[:alnum:]])Eigen::'; then
  echo "symbols: $archive shows names of Eigen" >&2
  exit 1
fi
# An object of an instruction set lets out one strong symbol, its table, and no weak one but its own renamed Eigen's.
nm -C "$archive" 2>/dev/null | awk '
  function finish() {
    if (tables == 0 || member == "table.cpp.o:") return
    if (tables > 1) { print "symbols: " member " defines " tables " strong symbols, expected one"; bad = 1 }
    if (weak != "") { print "symbols: " member " lets out " weak; bad = 1 }
  }
  /^[^ ]+\.o:$/ { finish(); member = $1; tables = 0; weak = ""; next }
  / [TDBR] eddy::v0_1::(baseline|avx2|avx512|avx512_bf16|amx_bf16|neon)::/ { tables++ }
  / [WVu] / && !/eddy_eigen_/ { weak = $0 }
  END { finish(); if (!bad) print "symbols: clean"; exit bad }'
