#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs the Debian packages "$@". Run as root by packages.sh; apt's output is
# shown only when it fails.
set -eu

export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d
made_policy=
log=$(mktemp)

cleanup() {
  rm -f "$log"
  [ -z "$made_policy" ] || rm -f "$policy"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

# nginx would start as a service of this machine; the specs only want the
# program. Debian asks this file first, with systemd and without.
if [ ! -e "$policy" ]; then
  made_policy=1
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi

install() {
  apt-get install -y -qq --no-install-recommends \
    -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@" >"$log" 2>&1
}

# Lists that are absent or out of date are the common reason to fail, so they
# are fetched only then.
if ! install "$@"; then
  if ! apt-get update -qq >"$log" 2>&1 || ! install "$@"; then
    cat "$log" >&2
    exit 1
  fi
fi
