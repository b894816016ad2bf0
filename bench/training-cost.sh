#!/usr/bin/env bash
# What a snapshot after every step costs the training of a model of 30 million parameters: tokens per second against none, with the state copied before the next batch and while it is computed.
# bench/training-cost.sh [folder] [batches] [rounds]
set -euo pipefail
cd "$(dirname "$0")/.."
folder=${1:-${TMPDIR:-/tmp}}
batches=${2:-20}
rounds=${3:-5}
dotnet build samples/TinyLm -c Release -v quiet -nologo >&2
program=$(find samples/TinyLm/bin/Release -name TinyLm.dll -not -path '*/ref/*' | head -n 1)
work=$(mktemp -d "$folder/cairn-cost-XXXXXX")
trap 'rm -rf "$work"' EXIT

declare -A options=([none]="--snapshot-every 0" [each]="--snapshot-every 1" [overlapped]="--snapshot-every 1 --overlap")
for ((round = 0; round < rounds; round++)); do
    for kind in $(printf '%s\n' "${!options[@]}" | shuf); do
        # shellcheck disable=SC2086
        output=$(dotnet "$program" --run "$work/run" --width 928 --batch-size 8 --total-steps "$batches" --checkpoint-every 0 --evaluate 0 --log-every "$batches" ${options[$kind]})
        rm -rf "$work/run"
        speed=$(grep -o '[0-9,]* tokens/s' <<<"$output" | tail -n 1 | tr -d ', a-z/')
        saves=$(grep -o '[0-9]* saves, training waited [0-9.]* s' <<<"$output")
        echo "$kind $speed" >>"$work/speeds"
        echo "round $((round + 1)), $kind: $speed tokens/s; $saves" >&2
    done
done

echo "| snapshots | tokens per second | of none |"
echo "| --- | --- | --- |"
median() { grep "^$1 " "$work/speeds" | cut -d ' ' -f 2 | sort -n | sed -n "$((rounds / 2 + 1))p"; }
without=$(median none)
for kind in none each overlapped; do
    speed=$(median "$kind")
    echo "| $kind | $speed | $(awk "BEGIN { printf \"%.1f %%\", 100 * $speed / $without }") |"
done
