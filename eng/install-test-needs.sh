#!/usr/bin/env bash
# Installs what the tests need besides the .NET SDK: PyTorch, for the tests that exchange files with it.
# Does nothing when it is there, or where there is no apt-get.
set -euo pipefail
python=${CAIRN_PYTHON:-/usr/bin/python3}
if [ -x "$python" ] && "$python" -c 'import torch' 2>/dev/null; then exit 0; fi
if ! command -v apt-get >/dev/null; then
    echo "No PyTorch for $python and no apt-get: tests that need PyTorch will be skipped." >&2
    exit 0
fi
root=()
if [ "$(id -u)" -ne 0 ]; then root=(sudo); fi
export DEBIAN_FRONTEND=noninteractive
# The package lists of a fresh container are empty or old.
"${root[@]}" apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends python3-torch >/dev/null 2>&1 && exit 0
"${root[@]}" apt-get -o DPkg::Lock::Timeout=300 update >/dev/null
"${root[@]}" apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends python3-torch >/dev/null
