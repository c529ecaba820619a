#!/bin/sh
# Gets the packages that eddy is built from; nothing else. Does nothing when all are there.
# `setup.sh NAME...` gets packages of those names as well (quickstart.sh asks for a data set).
set -eu

packages="g++ cmake make pkg-config libeigen3-dev libstb-dev libcli11-dev nlohmann-json3-dev catch2 $*"

missing=""
for package in $packages; do
  if ! dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed'; then
    missing="$missing $package"
  fi
done
[ -n "$missing" ] || exit 0

command="apt-get install -y --no-install-recommends$missing"
if ! command -v apt-get >/dev/null 2>&1; then
  echo "setup: this machine has no apt; install what these packages of Debian hold:$missing" >&2
  exit 1
fi
if [ "$(id -u)" = 0 ]; then
  as_root=""
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
  as_root="sudo"
else
  echo "setup: packages are missing; run this as root, then start again:" >&2
  echo "  apt-get update && $command" >&2
  exit 1
fi
echo "setup: getting$missing" >&2
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq >&2
$as_root env DEBIAN_FRONTEND=noninteractive $command -qq >&2
