#!/usr/bin/env bash
# Makes everything `make` needs: system packages (Debian, Ubuntu), the virtual environment .venv, runtimes for functions.
# Does nothing when nothing changed since the last time. Variables:
#   PYTHON=python3.12          the interpreter to use; default: the first of python3.14 … python3.11, python3 that fits
#   FUNCTORY_SETUP_APT=no      never call apt-get
set -euo pipefail
cd "$(dirname "$0")/.."

venv=.venv
stamp=$venv/.functory-setup
PATH=$PATH:/usr/sbin:/sbin

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
  if [ -n "${PYTHON:-}" ]; then
    fits "$PYTHON" || die "PYTHON=$PYTHON is not a Python 3.11 or newer"
    printf '%s' "$PYTHON"
    return
  fi
  local name
  for name in python3.14 python3.13 python3.12 python3.11 python3; do
    if fits "$name"; then printf '%s' "$name"; return; fi
  done
  die "no Python 3.11 or newer found; on Debian and Ubuntu: apt-get install python3 python3-venv"
}

# What everything below depends on; the interpreter's own path belongs to it.
fingerprint() {
  { cat requirements-dev.lock pyproject.toml scripts/setup.sh
    find src/functory/runtimes/definitions src/functory/runtimes/bootstraps src/functory/runtimes/javascript -type f ! -name '*.pyc' | LC_ALL=C sort | xargs cat
    "$1" -c 'import sys; print(sys.version, sys.base_prefix)'; } \
    | sha256sum | cut -d' ' -f1
}

missing_packages() {
  "$python" -c 'import venv, ensurepip' >/dev/null 2>&1 || printf '%s\n' "$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
  command -v runc >/dev/null || command -v crun >/dev/null || echo runc
  command -v curl >/dev/null || echo curl
  command -v bash >/dev/null || echo bash
  command -v mkfs.ext4 >/dev/null || echo e2fsprogs
  command -v nft >/dev/null || echo nftables
  [ -e /etc/ssl/certs/ca-certificates.crt ] || echo ca-certificates
}

install_packages() {
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then as_root=(sudo -n); else return 1; fi
  fi
  export DEBIAN_FRONTEND=noninteractive
  say "installing system packages: $*"
  "${as_root[@]}" apt-get update -qq >/dev/null && "${as_root[@]}" apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

system_packages() {
  local packages
  mapfile -t packages < <(missing_packages)
  [ "${#packages[@]}" -gt 0 ] || return 0
  if [ "${FUNCTORY_SETUP_APT:-yes}" = yes ] && command -v apt-get >/dev/null && install_packages "${packages[@]}"; then
    return 0
  fi
  say "not installed: ${packages[*]}"
  say "  on Debian and Ubuntu, as root: apt-get install ${packages[*]}"
  case " ${packages[*]} " in
    *" runc "*) say "  without runc or crun functions run with the driver 'process': no isolation, and the ready line says so" ;;
  esac
  "$python" -c 'import venv, ensurepip' >/dev/null 2>&1 || die "$python cannot make virtual environments without the package above"
}

virtual_environment() {
  if [ -x $venv/bin/python ] && ! $venv/bin/python -c 'import sys' >/dev/null 2>&1; then rm -rf $venv; fi
  if [ ! -x $venv/bin/pip ]; then
    say "making $venv with $python"
    "$python" -m venv --clear $venv
  fi
  say "installing pinned packages"
  $venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.lock
  $venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
}

runtimes() {
  local own
  own=$($venv/bin/python -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
  say "making the runtime $own ready"
  $venv/bin/functory runtimes install "$own"
  say "making other runtimes ready whose interpreters are here"
  $venv/bin/functory runtimes install --found || say "some runtimes are not ready; \`functory runtimes\` says why"
}

python=$(find_python)
wanted=$(fingerprint "$python")
if [ -x $venv/bin/functory ] && [ "$(cat $stamp 2>/dev/null)" = "$wanted" ]; then exit 0; fi
system_packages
virtual_environment
runtimes
printf '%s\n' "$wanted" >$stamp
say "done; next: make demo"
