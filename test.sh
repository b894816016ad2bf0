#!/usr/bin/env bash
# Builds everything and runs every test. Needs the .NET SDK and a Debian or Ubuntu system; installs PyTorch, two MPIs, Slurm, Ceph, Chromium and promtool where they are missing.
# What each module of tests printed is left in artifacts/tests.
set -uo pipefail
cd "$(dirname "$0")"
# One compiler serves all projects, which halves the time of the build, and is sent away at the end.
export DOTNET_CLI_TELEMETRY_OPTOUT=1 MSBUILDDISABLENODEREUSE=1 UseSharedCompilation=true
eng/install-test-needs.sh || echo "PyTorch, an MPI, Slurm, Ceph, Chromium or promtool could not be installed: tests that need it will be skipped, or fail in CI." >&2
dotnet build Cairn.slnx -c Release -v q
built=$?
dotnet build-server shutdown --vbcscompiler >/dev/null 2>&1
if [ "$built" -ne 0 ]; then
    echo "0 passed, 1 failed"
    exit "$built"
fi
exec eng/run-tests.sh
