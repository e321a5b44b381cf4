#!/usr/bin/env bash
# Compiles the .NET client from src/functory/runtimes/dotnet_source into the bootstrap folder of .NET.
#
#   scripts/build_dotnet.sh FOLDER    FOLDER holds the assemblies of .NET Core 3.1 (shared/Microsoft.NETCore.App/3.1.x); PyPI's
#                                     dotnetcore2 carries them
#
# Needs mcs (Debian: mono-mcs). The result runs on 3.1 and everything later; nothing of Mono gets into it. Beside it stands
# the SHA-256 of the sources, which a test compares.
set -euo pipefail

reference=$1
root=$(cd "$(dirname "$0")/.." && pwd)
source="$root/src/functory/runtimes/dotnet_source"
target="$root/src/functory/runtimes/bootstraps/dotnet"

options="-nostdlib -noconfig -optimize+ -target:exe -langversion:7"
for name in System.Private.CoreLib System.Runtime System.Console System.Collections System.Linq System.Net.Http System.Net.Primitives \
  System.Private.Uri System.IO.FileSystem System.Text.Json System.Memory System.Reflection.DispatchProxy System.Runtime.Loader System.Runtime.Extensions \
  System.Runtime.InteropServices System.Text.Encoding.Extensions System.Threading.Tasks System.Threading netstandard; do
  [ -f "$reference/$name.dll" ] && options="$options -r:$reference/$name.dll"
done
mkdir -p "$target"
# shellcheck disable=SC2086  # the options hold no spaces
mcs $options -out:"$target/functory-lambda.dll" "$source"/*.cs
cat "$source"/*.cs | sha256sum | cut -d ' ' -f 1 >"$target/functory-lambda.sha256"
