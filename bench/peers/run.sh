#!/usr/bin/env bash
# Saves and loads the same state by PyTorch, safetensors, TorchSharp and Cairn, in turn, and prints who took how long.
#
#   bench/peers/run.sh [folder] [MiB] [rounds] [seconds of pause]      default: the temporary folder, 1024, 5, 4
#
# PyTorch 2.6 lies in a tree of its own (eng/with-torch-2.sh), at CAIRN_TORCH_TREE or in /var/tmp, which is made when it is missing. Needs root, debootstrap for making the tree,
# and in memory about 13 times the MiB.
set -euo pipefail
repository=$(cd "$(dirname "$0")/../.." && pwd)
folder=$(realpath -m "${1:-${TMPDIR:-/tmp}}")
mkdir -p "$folder"
cd "$repository"
dotnet build bench/peers -c Release -v quiet -nologo >&2
program=$(dotnet msbuild bench/peers -getProperty:TargetPath -p:Configuration=Release)
exec eng/with-torch-2.sh "${CAIRN_TORCH_TREE:-/var/tmp/cairn-torch-2}" "$folder" "$(dirname "$program")" -- dotnet "$program" "$folder" "${@:2}"
