# SPDX-License-Identifier: MIT
# Sourced by the scripts of this folder's parent, which set $self to their own
# real path: brings $root and build_ensure(). Everything it prints is stderr's.
#
# Nothing changed must cost next to nothing, so a stamp in the build folder
# tells when a target was last built: its time is that of the build's start, its
# text the checkout it was built in.
# shellcheck shell=dash

root=${self:?}
root=${root%/scripts/*}

say() { printf 'aimp: %s\n' "$*" >&2; }

die() {
  say "$@"
  exit 1
}

# shellcheck source=scripts/lib/packages.sh
. "$root/scripts/lib/packages.sh"

# build_is_current PRESET TARGET
build_is_current() {
  stamp=$root/build/$1/built-$2
  [ -f "$stamp" ] && read -r built_in <"$stamp" && [ "$built_in" = "$root" ] || return 1
  # A folder is newer when a file in it came or went.
  changed=$(cd "$root" && find . \( -path ./build -o -path ./.git \) -prune -o \
    -newer "$stamp" -print -quit) || return 1
  [ -z "$changed" ]
}

# cache_has PRESET NAME=VALUE
cache_has() { grep -qxF "$2" "$root/build/$1/CMakeCache.txt"; }

# build_configure PRESET TESTS, where TESTS is ON or empty for as it was. A
# folder that only ever ran aimprun has no need of the test packages. The
# environment's AIMP_CMAKE_OPTIONS are further options for cmake.
build_configure() {
  dir=$root/build/$1
  if [ -f "$dir/CMakeCache.txt" ] && ! cache_has "$1" "CMAKE_HOME_DIRECTORY:INTERNAL=$root"; then
    say "build/$1 was made in another place; making it anew"
    rm -rf "$dir"
  fi
  tests=$2
  if [ -f "$dir/build.ninja" ]; then
    if [ ! "$root/CMakePresets.json" -nt "$dir/build.ninja" ] && [ -z "${AIMP_CMAKE_OPTIONS:-}" ] &&
      { [ -z "$tests" ] || cache_has "$1" "AIMP_TESTS:BOOL=ON"; }; then
      return
    fi
  else
    tests=${tests:-OFF}
  fi
  # shellcheck disable=SC2086 # the options are words
  (cd "$root" && cmake --preset "$1" --log-level=NOTICE ${tests:+-DAIMP_TESTS="$tests"} \
    ${AIMP_CMAKE_OPTIONS:-} >&2)
}

# build_run PRESET TARGET: ninja through cmake; silent if there was nothing to do.
build_run() {
  fresh=$root/build/$1/built-$2.new
  printf '%s\n' "$root" >"$fresh"
  {
    cmake --build "$root/build/$1" --target "$2" 2>&1 && mv "$fresh" "${fresh%.new}"
  } | sed -u -e '/^ninja: no work to do/d' -e '/Re-checking globbed/d' >&2
  [ ! -e "$fresh" ]
}

# build_locked COMMAND...: one at a time in this checkout, as commands of a
# pipeline start together.
build_locked() {
  mkdir -p "$root/build"
  (
    flock -n 9 || {
      say "waiting for another build of this checkout"
      flock 9
    }
    "$@"
  ) 9>"$root/build/lock" || exit 1
}

build_ensure_packages() {
  packages_are_known "$@" || build_locked packages_ensure "$@"
}

build_now() {
  build_is_current "$1" "$2" && return
  if ! build_configure "$1" "$3" || ! build_run "$1" "$2"; then
    die "the $1 build failed"
  fi
}

# build_ensure PRESET TARGET TESTS SET...: packages, configure, build, each only
# if needed.
build_ensure() {
  preset=$1 target=$2 tests=$3
  shift 3
  build_ensure_packages "$@"
  build_is_current "$preset" "$target" || build_locked build_now "$preset" "$target" "$tests"
}
