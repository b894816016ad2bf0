#!/usr/bin/env bash
# Runs a command whose Python (CAIRN_PYTHON) has a newer PyTorch than the system's: that of Debian 13 (2.6), with safetensors, in a tree of its own.
#
#   eng/with-torch-2.sh TREE FOLDER... -- COMMAND [ARGUMENTS]
#
# TREE is made when it is not there, which needs root, debootstrap and about 4 GB, and is used again. The folders lie at the same paths inside and outside. What is bound into the tree
# is seen by the command alone and gone when it ends, however it ends.
set -euo pipefail
usage="usage: eng/with-torch-2.sh TREE FOLDER... -- COMMAND [ARGUMENTS]"
tree=$(realpath -m "${1:?$usage}")
shift

if [ "$(id -u)" -ne 0 ]; then
    echo "PyTorch 2.6 runs in a tree of its own ($tree), and only root may enter it: run this as root." >&2
    exit 1
fi
if ! compgen -G "$tree/usr/lib/python3/dist-packages/torch" >/dev/null; then
    if ! command -v debootstrap >/dev/null; then
        echo "The tree with PyTorch 2.6 ($tree) is not there, and debootstrap, which makes it, is not installed: apt-get install debootstrap." >&2
        exit 1
    fi
    debootstrap --variant=minbase --include=python3-torch,python3-safetensors trixie "$tree" >&2
fi

if [ "${IN_NAMESPACE_OF:-}" != "$tree" ]; then
    IN_NAMESPACE_OF=$tree exec unshare --mount -- "$0" "$tree" "$@"
fi
unset IN_NAMESPACE_OF
bound=()
bind() {
    local folder
    folder=$(realpath "$1")
    for outer in "${bound[@]}"; do
        case "$folder/" in "$outer"/*) return ;; esac
    done
    mkdir -p "$tree$folder"
    mount --bind "$folder" "$tree$folder"
    bound+=("$folder")
}
bind /proc
while [ "${1:?$usage}" != -- ]; do
    bind "$1"
    shift
done
shift

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '#!/bin/sh\nexec chroot %q /usr/bin/python3 "$@"\n' "$tree" >"$work/python3"
chmod +x "$work/python3"
export CAIRN_PYTHON=$work/python3
"$@"
