#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# run.sh FOLDER SECONDS TARGET...: runs each libFuzzer target of FOLDER for SECONDS, with its dictionary
# (dict/TARGET.dict), on its seeds (corpus/TARGET) and on what earlier runs found (FOLDER/corpus/TARGET).
# New inputs stay there, failing ones in FOLDER/crash, what the fuzzer said in FOLDER/TARGET.log. Prints
# one line a target and fails if one of them did, after all have run.

set -u
here=$(cd "$(dirname "$0")" && pwd)
folder=$1 seconds=$2
shift 2
failed=
rows=$folder/table.txt
mkdir -p "$folder/crash"
printf '%-15s %11s %9s %7s %9s %7s %8s  %s\n' \
    target executions 'per s' edges features corpus seconds result > "$rows"

number() { # of "stat::NAME: N" in the log
    sed -n "s/^stat::$2: *//p" "$1" | tail -n 1
}

for target in "$@"; do
    log=$folder/$target.log
    mkdir -p "$folder/corpus/$target"
    printf '  FUZZ %s\n' "$target"
    dictionary=
    [ ! -f "$here/dict/$target.dict" ] || dictionary=-dict=$here/dict/$target.dict
    before=$(find "$folder/corpus/$target" -type f | wc -l)
    start=$(date +%s)
    result=ok
    # shellcheck disable=SC2086
    "$folder/$target" $dictionary -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -use_value_profile=1 \
        -print_final_stats=1 -artifact_prefix="$folder/crash/$target-" \
        "$folder/corpus/$target" "$here/corpus/$target" > "$log" 2>&1 || result=FAILED
    if [ $result = FAILED ]; then
        failed="$failed $target"
        grep -v '^#' "$log" | tail -n 40
    fi
    # "#12345 DONE   cov: 512 ft: 2048 corp: ..."
    last=$(grep -E '^#[0-9]+.* cov: [0-9]+ ft: [0-9]+' "$log" | tail -n 1)
    printf '%-15s %11s %9s %7s %9s %7s %8s  %s\n' "$target" \
        "$(number "$log" number_of_executed_units)" "$(number "$log" average_exec_per_sec)" \
        "$(echo "$last" | sed -n 's/.* cov: \([0-9]*\).*/\1/p')" \
        "$(echo "$last" | sed -n 's/.* ft: \([0-9]*\).*/\1/p')" \
        "+$(($(find "$folder/corpus/$target" -type f | wc -l) - before))" \
        "$(($(date +%s) - start))" "$result" >> "$rows"
done
echo
cat "$rows"
if [ -n "$failed" ]; then
    printf '\nfailed:%s (see %s)\n' "$failed" "$folder/crash" >&2
    exit 1
fi
