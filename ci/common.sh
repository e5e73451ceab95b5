# What the scripts of ci/ share; sourced, never run.
# shellcheck shell=bash
set -eu -o pipefail
ci=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
project=$(dirname "$ci")
cache=${LOSSDRILL_CACHE:-$HOME/.cache/lossdrill}
export LC_ALL=C

say() { echo "$me: $*" >&2; }
die() { echo "$me: $*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
engine_answers() { have docker && docker version --format '{{.Server.Version}}' >/dev/null 2>&1; }

# install PACKAGE...: by apt, or says exactly what a person has to run
install() {
  [ $# -gt 0 ] || return 0
  have apt-get || die "needs the Debian packages: $* (there is no apt-get here: install their like by hand)"
  [ "$(id -u)" = 0 ] || die "needs packages that are not installed; run as root: apt-get update && apt-get install -y --no-install-recommends $*"
  say "installing $*"
  local log
  log=$(mktemp)
  if ! apt-get update -q >"$log" 2>&1; then tail -5 "$log" >&2; say "apt-get update failed; trying with the lists that are here"; fi
  DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@" >"$log" 2>&1 || {
    tail -8 "$log" >&2
    die "apt-get install $* failed (log: $log)"
  }
  rm -f "$log"
}

# the Debian mirror that this machine's own apt uses
debian_mirror() {
  local mirror
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -1)
  [ -n "$mirror" ] || die "apt knows no Debian mirror; run as root: apt-get update"
  echo "$mirror"
}

# one at a time prepares the cache; nothing that is started may inherit the lock
locked() {
  mkdir -p "$cache"
  exec 9>"$cache/.lock"
  flock 9
  "$@"
  exec 9>&-
}

# venv HOME PINS: a folder of Python packages, pinned by hash; quick when they are there
venv() {
  local home=$1 pins=$2 stamp
  stamp=$(cat "$pins" <(python3 --version) | sha256sum | cut -c1-16)
  [ "$(cat "$home/prepared" 2>/dev/null || true)" != "$stamp" ] || return 0
  rm -rf "$home"
  mkdir -p "$(dirname "$home")"
  python3 -m venv "$home" || die "python3 cannot make a venv; on Debian: apt-get install -y python3-venv"
  "$home/bin/pip" install --quiet --disable-pip-version-check --require-hashes --no-deps -r "$pins" >&2
  echo "$stamp" >"$home/prepared"
}
