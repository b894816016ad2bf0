#!/usr/bin/env bash
# Runs every module of tests that was built, three at a time. The last line says 'N passed, M failed'; the exit code is 0 when all passed.
# A module that ends otherwise than by its own summary, runs no test or was not built counts as a failure.
set -uo pipefail
cd "$(dirname "$0")/.."
export CONFIGURATION=${CONFIGURATION:-Release} LOGS=$PWD/artifacts/tests
# More of the random faults than a module tries by itself.
export CAIRN_FAULTS=${CAIRN_FAULTS:-some}
# The tests start hundreds of processes, most of which end before the runtime has earned back what it spends on watching and guarding its code, and libtorch
# touches much fresh memory at each start, which large pages make cheaper.
export DOTNET_TieredPGO=0 DOTNET_EnableWriteXorExecute=0 GLIBC_TUNABLES=${GLIBC_TUNABLES:+$GLIBC_TUNABLES:}glibc.malloc.hugetlb=1
rm -rf "$LOGS"
mkdir -p "$LOGS"

# Those that take minutes begin first, the longest before the others, so that none of them is left at the end.
modules=(TinyLm.Tests Cairn.Mpi.Tests Cairn.Packages.Tests Cairn.S3.Tests Cairn.Tests Cairn.Interop.Tests Cairn.Cli.Tests Cairn.Pages.Tests)
for project in tests/*/*.Tests.csproj; do
    name=$(basename "$project" .csproj)
    [[ " ${modules[*]} " == *" $name "* ]] || modules+=("$name")
done

run() {
    local name=$1 log=$LOGS/$1.log program
    program=$(find "tests/$name/bin/$CONFIGURATION" -name "$name" -type f -perm -u+x -printf '%T@ %p\n' 2>/dev/null | sort -rn | head -n 1 | cut -d ' ' -f 2-)
    if [ -z "$program" ]; then
        echo "$name was not built." >"$log"
        echo 1 >"$LOGS/$name.code"
    else
        # Signals that whoever started this ignores, as nohup does, would be ignored by the processes that the tests interrupt, too.
        env --default-signal "$program" -noLogo -noColor -noAutoReporters >"$log" 2>&1 </dev/null
        echo $? >"$LOGS/$name.code"
    fi
    # One at a time, so that their lines do not mix.
    flock "$LOGS" grep -E '\[SKIP\]|\[FAIL\]|  Total: ' "$log"
}
export -f run
# Three keep two processors busy: jobs of several ranks wait for one another, and for time limits. With a fourth, jobs of several ranks take more than twice as long.
printf '%s\n' "${modules[@]}" | xargs -P 3 -I {} bash -c 'run {}'

passed=0 failed=0
for name in "${modules[@]}"; do
    read -r total errors wrong skipped not_run < <(sed -nE "s/^ *$name  Total: ([0-9]+), Errors: ([0-9]+), Failed: ([0-9]+), Skipped: ([0-9]+), Not Run: ([0-9]+),.*/\1 \2 \3 \4 \5/p" "$LOGS/$name.log" | tail -n 1) || total=0 errors=0 wrong=0 skipped=0 not_run=0
    lost=$((errors + wrong))
    # What failed stands at the end, however long the output is: each failed test with its message, which is indented.
    [ "$lost" -eq 0 ] || awk '/^ +[^ ].* \[FAIL\]$/ { print; inside = 1; next } inside && /^      / { print; next } { inside = 0 }' "$LOGS/$name.log"
    if [ "$lost" -eq 0 ] && { [ "$total" -eq 0 ] || [ "$(cat "$LOGS/$name.code")" != 0 ]; }; then
        tail -n 60 "$LOGS/$name.log"
        echo "$name ended with code $(cat "$LOGS/$name.code") after $total tests: see $LOGS/$name.log."
        lost=1
    fi
    passed=$((passed + total - wrong - skipped - not_run))
    failed=$((failed + lost))
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
