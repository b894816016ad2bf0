#!/usr/bin/env bash
# Runs the tests that exchange files with PyTorch against a newer PyTorch than the system's: that of Debian 13 (2.6), in a tree of its own.
# Needs root, debootstrap and about 4 GB in the tree, which is kept and used again.
#
#   eng/check-with-torch-2.sh TREE [filters of the test runner, such as --filter-class '*TorchWrite*']
#
# TREE is made when it is not there. CONFIGURATION is Release unless set. Everything bound into the tree is let go at the end.
set -euo pipefail
tree=$(realpath -m "${1:?usage: eng/check-with-torch-2.sh TREE [filters]}")
shift
repository=$(cd "$(dirname "$0")/.." && pwd)
projects=(tests/Cairn.Interop.Tests tests/Cairn.TorchSharp.Interop.Tests)

if ! [ -x "$tree/usr/bin/python3" ] || ! ls "$tree"/usr/lib/python3/dist-packages/torch >/dev/null 2>&1; then
    debootstrap --variant=minbase --include=python3-torch,python3-safetensors trixie "$tree"
fi

bound=()
release() {
    for ((i = ${#bound[@]} - 1; i >= 0; i--)); do umount "${bound[i]}"; done
    rm -rf "$work"
}
work=$(mktemp -d)
trap release EXIT
bind() {
    mkdir -p "$tree$1"
    mount --bind "$1" "$tree$1"
    bound+=("$tree$1")
}
# The scripts and the files lie at the same paths inside and outside.
bind /proc
bind "${TMPDIR:-/tmp}"
case "$repository/" in "${TMPDIR:-/tmp}"/*) ;; *) bind "$repository" ;; esac

printf '#!/bin/sh\nexec chroot %q /usr/bin/python3 "$@"\n' "$tree" >"$work/python3"
chmod +x "$work/python3"
export CAIRN_PYTHON=$work/python3 CI=true
"$CAIRN_PYTHON" -c 'import torch; print("PyTorch", torch.__version__)'
cd "$repository"
status=0
for project in "${projects[@]}"; do
    # 8: a filter that leaves nothing of this project.
    dotnet test --project "$project" -c "${CONFIGURATION:-Release}" --no-progress --ignore-exit-code 8 "$@" || status=1
done
exit "$status"
