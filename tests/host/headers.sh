#!/bin/sh
# Every public header alone, what it may include, what macros it may leave behind, and misuses that must not compile.
# usage: headers.sh COMPILER ROOT [FOLDER_OF_EIGEN]
set -eu
compiler=$1 include=$2/include
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $*"; exit 1; }
eigen=${3:-/usr/include/eigen3}
compile() { "$compiler" -std=c++20 -Wall -Wextra -Wpedantic -Werror -fsyntax-only -I "$include" -isystem "$eigen" "$1"; }

for header in "$include"/eddy/*.hpp; do
  name=eddy/$(basename "$header")
  echo "#include <$name>" >"$work/unit.cc"
  compile "$work/unit.cc" || fail "$name does not compile alone"
done
heavy='Eigen|iostream|filesystem|thread|stop_token|random|algorithm|nlohmann|map|regex|chrono'
find "$include"/eddy -name '*.hpp' ! -name eigen.hpp -exec grep -En "#include <($heavy)(/.*)?>" {} + && fail "a heavy header is included"
grep -hE '^ *# *define' "$include"/eddy/*.hpp | grep -v 'define EDDY_' && fail "a macro of another name than EDDY_*"

# Each line is wrong in one way; without it the file compiles.
refused() {
  printf '#include <eddy/eddy.hpp>\nusing namespace eddy;\nvoid f(UNet& unet, Tensor& x) {\n  (void)unet;\n  (void)x;\n  %s\n}\n' "$1" >"$work/unit.cc"
  compile "$work/unit.cc" 2>"$work/errors" && fail "compiles: $1"
  return 0
}
accepted() {
  printf '#include <eddy/eddy.hpp>\nusing namespace eddy;\nvoid f(UNet& unet, Tensor& x) {\n  (void)unet;\n  (void)x;\n  %s\n}\n' "$1" >"$work/unit.cc"
  compile "$work/unit.cc" || fail "does not compile: $1"
}
accepted 'NoGrad scope; (void)activate(x, Activation::silu); (void)group_norm(x, x, x, {.groups = 4});'
refused 'NoGrad a; NoGrad b = a;'
refused '(void)activate(x, true);'
refused '(void)group_norm(x, x, x, {.group = 4});'
refused 'x.values()[0] = 1;'
refused 'Context c(4);'
refused '(void)sample_ddim(unet, x, {}, philox_noise(0));'
refused 'SampleOptions o{.num = "four"};'
echo "headers: all is well"
