#!/usr/bin/env bash
# Installs what the tests need besides the .NET SDK: PyTorch, for the tests that exchange files with it, both MPIs, for the tests
# with several ranks, Slurm and ip, for those with several hosts, script and zsh, for the tests of the command on a terminal, Ceph, for those of an object
# store, Chromium with letters of Latin and Chinese, for those of the pages, and promtool (Debian has it in prometheus), for those of the metrics. Does nothing for what is there, or where there is no apt-get.
set -euo pipefail
python=${CAIRN_PYTHON:-/usr/bin/python3}
needed=()
if ! { [ -x "$python" ] && "$python" -c 'import torch' 2>/dev/null; }; then needed+=(python3-torch); fi
if ! command -v mpirun.openmpi >/dev/null; then needed+=(openmpi-bin); fi
if ! command -v mpirun.mpich >/dev/null; then needed+=(mpich); fi
if ! command -v ip >/dev/null; then needed+=(iproute2); fi
if ! { command -v slurmctld && command -v slurmd && command -v srun; } >/dev/null; then needed+=(slurm-wlm); fi
# srun --mpi=pmix opens libpmix.so, which Debian has among the files for development.
if ! compgen -G '/usr/lib/*/libpmix.so' >/dev/null; then needed+=(libpmix-dev); fi
if ! command -v munged >/dev/null; then needed+=(munge); fi
if ! command -v script >/dev/null; then needed+=(bsdutils); fi
if ! command -v zsh >/dev/null; then needed+=(zsh); fi
if ! { command -v ceph && command -v ceph-mon && command -v ceph-osd && command -v radosgw; } >/dev/null; then needed+=(ceph-common ceph-mon ceph-osd radosgw); fi
if ! [ -x /usr/bin/chromium ]; then needed+=(chromium fonts-liberation fonts-noto-cjk); fi
if ! command -v promtool >/dev/null; then needed+=(prometheus); fi
if [ ${#needed[@]} -eq 0 ]; then exit 0; fi
if ! command -v apt-get >/dev/null; then
    echo "Missing ${needed[*]} and no apt-get: tests that need them will be skipped." >&2
    exit 0
fi
root=()
if [ "$(id -u)" -ne 0 ]; then root=(sudo); fi
export DEBIAN_FRONTEND=noninteractive
get() { "${root[@]}" apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${needed[@]}" >/dev/null; }
# The package lists of a fresh container are empty or old.
get 2>/dev/null && exit 0
"${root[@]}" apt-get -o DPkg::Lock::Timeout=300 update >/dev/null
get
