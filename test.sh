#!/usr/bin/env bash
# Builds everything and runs every test. Needs the .NET SDK and a Debian or Ubuntu system; installs PyTorch, two MPIs, Slurm, Ceph, Chromium and promtool where they are missing.
set -uo pipefail
cd "$(dirname "$0")"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# One compiler serves all projects, which halves the time of the build, and is sent away at the end.
export DOTNET_CLI_TELEMETRY_OPTOUT=1 MSBUILDDISABLENODEREUSE=1 UseSharedCompilation=true
eng/install-test-needs.sh || echo "PyTorch, an MPI, Slurm, Ceph, Chromium or promtool could not be installed: tests that need it will be skipped, or fail in CI." >&2
# Signals that whoever started this ignores, as nohup does, would be ignored by the processes that the tests interrupt, too.
# The tests wait for processes and disks for a third of their time, which a third module uses.
env --default-signal dotnet test --solution Cairn.slnx -c Release --no-progress --max-parallel-test-modules 3 2>&1 | tee "$log"
status=${PIPESTATUS[0]}
dotnet build-server shutdown --vbcscompiler >/dev/null 2>&1
count() { grep -E "^ *$1: [0-9]+" "$log" | tail -n 1 | grep -oE '[0-9]+' | head -n 1; }
passed=$(count succeeded) failed=$(count failed)
if [ "$status" -ne 0 ] && [ "${failed:-0}" -eq 0 ]; then failed=1; fi
echo "${passed:-0} passed, ${failed:-0} failed"
exit "$status"
