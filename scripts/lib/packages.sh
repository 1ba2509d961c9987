# SPDX-License-Identifier: MIT
# Makes sure that the Debian packages of scripts/lib/packages are there.
# Sourced by build.sh, which sets $root and brings say() and die().
# shellcheck shell=dash

packages_file=${root:?}/scripts/lib/packages

# True if the sets "$@" were seen installed and neither the list nor dpkg's
# own records have changed since. Starts no process.
packages_are_known() {
  for set in "$@"; do
    seen=$root/build/packages-$set
    if [ ! -f "$seen" ] || [ "$packages_file" -nt "$seen" ] ||
      [ /var/lib/dpkg/status -nt "$seen" ]; then
      return 1
    fi
  done
}

packages_in() {
  for set in "$@"; do
    awk -v set="$set" '$1 == set { print $2 }' "$packages_file"
  done
}

packages_missing() {
  installed=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' 2>/dev/null |
    awk '$1 == "ii" { print $2 }')
  packages_in "$@" | grep -vxF "$installed" || true
}

# Prints the prefix that runs a command as root, or fails.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    echo env
  elif sudo -n true 2>/dev/null; then
    echo sudo -n
  else
    return 1
  fi
}

packages_ensure() {
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    say "this is not a Debian system; aimp is built from Debian 12's versions of:"
    packages_in "$@" | paste -sd ' ' >&2
    die "install what matches them and use: cmake --preset release && cmake --build --preset release"
  fi
  missing=$(packages_missing "$@" | paste -sd ' ')
  if [ -n "$missing" ]; then
    root_prefix=$(as_root) ||
      die "these Debian packages are missing; install them with:
  sudo apt-get install --no-install-recommends $missing"
    say "installing $missing"
    # shellcheck disable=SC2086 # both are lists of words
    $root_prefix sh "$root/scripts/lib/apt-install.sh" $missing >&2 ||
      die "apt-get could not install: $missing"
  fi
  for set in "$@"; do
    : >"$root/build/packages-$set"
  done
}
