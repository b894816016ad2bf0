#!/usr/bin/env bash
# Builds the cairn command as one native file, artifacts/cairn, and says how long it takes to start.
# Needs the .NET SDK; installs a C compiler and zlib's headers where they are missing and there is apt-get.
set -euo pipefail
cd "$(dirname "$0")"
export DOTNET_CLI_TELEMETRY_OPTOUT=1 MSBUILDDISABLENODEREUSE=1

needed=()
if ! command -v clang >/dev/null && ! command -v gcc >/dev/null; then needed+=(gcc libc6-dev); fi
if [ ! -e /usr/include/zlib.h ]; then needed+=(zlib1g-dev); fi
if [ ${#needed[@]} -gt 0 ] && command -v apt-get >/dev/null; then
    root=()
    if [ "$(id -u)" -ne 0 ]; then root=(sudo); fi
    "${root[@]}" apt-get -o DPkg::Lock::Timeout=300 update >/dev/null
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${needed[@]}" >/dev/null
fi

built=$(mktemp -d)
trap 'rm -rf "$built"' EXIT
dotnet publish src/Cairn.Cli -c Release --use-current-runtime -o "$built" --nologo -v q
mkdir -p artifacts
mv -f "$built/Cairn.Cli" artifacts/cairn

# The median of many starts: the first ones read the file from the disk.
starts=25
for _ in $(seq $starts); do
    begin=$(date +%s%N)
    artifacts/cairn --help >/dev/null
    echo $(( ($(date +%s%N) - begin) / 1000 ))
done | sort -n | sed -n "$((starts / 2 + 1))p" | {
    read -r microseconds
    echo "artifacts/cairn: $(stat -c %s artifacts/cairn | awk '{printf "%.1f MB", $1 / 1e6}'), starts in $(awk "BEGIN {printf \"%.1f ms\", $microseconds / 1000}") (median of $starts)"
    if [ "$microseconds" -gt 50000 ]; then
        echo "That is more than 50 ms." >&2
        exit 1
    fi
}
