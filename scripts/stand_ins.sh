#!/usr/bin/env bash
# Interpreters with which the tests run the clients of Ruby and .NET where their real versions cannot be had.
#
#   eval "$(scripts/stand_ins.sh FOLDER)"     FOLDER keeps what is fetched
#
# .NET Core 3.1 comes from PyPI (dotnetcore2), Ruby from the machine. Prints the setting runtimes.stand_ins as a variable; what
# cannot be had is left out, and its tests are skipped by name. Compiling the .NET functions of the tests needs mcs (mono-mcs).
set -euo pipefail

folder=$(mkdir -p "$1" && cd "$1" && pwd)
python="$(cd "$(dirname "$0")/.." && pwd)/.venv/bin/python"
version=3.1.23
dotnet="$folder/dotnetcore2-$version"
entries=()

if [ ! -x "$dotnet/dotnet" ]; then
  work=$(mktemp -d "$folder/.new-XXXXXX")
  trap 'rm -rf "$work"' EXIT
  if "$python" -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-deps --only-binary=:all: \
    --target "$work" "dotnetcore2==$version" >&2; then
    chmod 755 "$work/dotnetcore2/bin/dotnet"
    chmod -R a+rX "$work/dotnetcore2"
    mv "$work/dotnetcore2/bin" "$dotnet"
  else
    echo "stand_ins: .NET Core $version could not be fetched" >&2
  fi
fi
[ -x "$dotnet/dotnet" ] && entries+=("dotnet8=$dotnet/dotnet" "dotnet10=$dotnet/dotnet")
if ruby=$(command -v ruby); then
  for runtime in ruby3.2 ruby3.3 ruby3.4 ruby4.0; do entries+=("$runtime=$ruby"); done
else
  echo "stand_ins: no Ruby is installed" >&2
fi
(IFS=, && echo "export FUNCTORY_RUNTIMES_STAND_INS='${entries[*]}'")
