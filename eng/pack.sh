#!/usr/bin/env bash
# Packs what users install: the libraries, for .NET 8 and 10, and the tool.
#   eng/pack.sh [FOLDER [DOTNET-OPTION...]]    the folder is then a feed: dotnet add package Cairn.TorchSharp --prerelease --source FOLDER
# The default is artifacts/packages; packages of Cairn that are there are replaced. The version is that of the tag (v0.1.0); between tags it is a preview.
set -euo pipefail
cd "$(dirname "$0")/.."
feed=$(realpath -m "${1:-artifacts/packages}")
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1 MSBUILDDISABLENODEREUSE=1 UseSharedCompilation=true CairnPack=true

mkdir -p "$feed"
rm -f "$feed"/Cairn.*nupkg "$feed"/Cairn.*.snupkg
# Built beside what tests and samples use, which may run at the same time.
dotnet pack eng/Packages.slnx -c Release --artifacts-path artifacts/pack -o "$feed" -v q "${@:2}"
for package in "$feed"/*.nupkg; do echo "$package"; done
