#!/usr/bin/env bash
# Runs the tests that exchange files with PyTorch against the newer PyTorch that eng/with-torch-2.sh has, and with what that needs.
#
#   eng/check-with-torch-2.sh TREE [filters of the test runner, such as --filter-class '*TorchWrite*']
#
# CONFIGURATION is Release unless set.
set -euo pipefail
tree=${1:?usage: eng/check-with-torch-2.sh TREE [filters]}
shift
repository=$(cd "$(dirname "$0")/.." && pwd)

check() {
    "$CAIRN_PYTHON" -c 'import torch; print("PyTorch", torch.__version__)'
    local status=0
    for project in tests/Cairn.Interop.Tests tests/Cairn.TorchSharp.Interop.Tests; do
        # 8: a filter that leaves nothing of this project.
        dotnet test --project "$project" -c "${CONFIGURATION:-Release}" --no-progress --ignore-exit-code 8 "$@" || status=1
    done
    return "$status"
}
export -f check
export CI=true
cd "$repository"
exec eng/with-torch-2.sh "$tree" "${TMPDIR:-/tmp}" "$repository" -- bash -c 'check "$@"' check "$@"
