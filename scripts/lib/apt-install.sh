#!/bin/sh
# SPDX-License-Identifier: MIT
# Installs the Debian packages "$@". Run as root by packages.sh.
set -eu

export DEBIAN_FRONTEND=noninteractive
policy=/usr/sbin/policy-rc.d

# nginx would start as a service of this machine; the specs only want the
# program. Without systemd and with it, Debian asks this file first.
if [ ! -e "$policy" ]; then
  trap 'rm -f "$policy"' EXIT
  trap 'exit 1' HUP INT TERM
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi

install() {
  apt-get install -y -qq --no-install-recommends \
    -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@"
}

# Lists that are absent or out of date are the common reason to fail, so they
# are fetched only then.
if ! install "$@" 2>/dev/null; then
  apt-get update -qq
  install "$@"
fi
