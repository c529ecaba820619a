#!/bin/sh
# From nothing to garments: gets what is missing, builds, trains on Fashion-MNIST, draws a grid. Under ten minutes on two
# cores. Everything it makes is in build/ and runs/quickstart; started again, it goes on where it stopped.
# usage: scripts/quickstart.sh [--data PATH] [--minutes M]
set -eu
cd "$(dirname "$0")/.."

data=fashion-mnist
minutes=6.5
while [ $# -gt 0 ]; do
  case $1 in
    --data) data=${2:?--data needs a path}; shift 2 ;;
    --minutes) minutes=${2:?--minutes needs a number}; shift 2 ;;
    *) echo "usage: scripts/quickstart.sh [--data PATH] [--minutes M]" >&2; exit 2 ;;
  esac
done

if [ "$data" = fashion-mnist ]; then
  scripts/setup.sh dataset-fashion-mnist
else
  scripts/setup.sh
fi
cmake -S . -B build -DCMAKE_BUILD_TYPE=Release -DEDDY_BUILD_TESTS=OFF >/dev/null
cmake --build build -j "$(nproc)" --target eddy_program

build/eddy train --data "$data" --out runs/quickstart --minutes "$minutes"
build/eddy sample runs/quickstart --out runs/quickstart/garments.png --num 40 --batch-size 20 \
  --sampler ddpm --steps 50 --trajectory runs/quickstart/denoising.png
echo "The picture is $(pwd)/runs/quickstart/garments.png; denoising.png beside it shows how one of them came out of noise."
