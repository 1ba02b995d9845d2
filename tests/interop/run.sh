#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# run.sh FOLDER: installs into FOLDER what package-lock.json names, if that isn't done yet, and runs
# the interop tests there. Without node, npm or a way to the registry it says SKIPPED and succeeds
# (INTEROP_REQUIRED=1 makes that a failure); a package that isn't what the lock file says always fails.

set -eu
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
cd "$1"

skip() {
    echo "interop: SKIPPED: $1" >&2
    [ -z "${INTEROP_REQUIRED:-}" ] || exit 1
    exit 0
}

for tool in node npm; do
    command -v $tool > /dev/null || skip "$tool is not there (make deps)"
done
if ! cmp -s "$here/package-lock.json" installed; then
    rm -rf installed node_modules
    cp "$here/package.json" "$here/package-lock.json" "$here/.npmrc" .
    if ! npm ci --loglevel=error > npm.log 2>&1; then
        cat npm.log >&2
        if grep -Eq 'EINTEGRITY|EUSAGE' npm.log; then
            exit 1
        elif grep -Eq 'ENOTFOUND|EAI_AGAIN|ECONN|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ENOTCACHED|ERR_SOCKET' npm.log; then
            skip "the package registry can't be reached"
        fi
        exit 1
    fi
    cp package-lock.json installed
fi
cp "$here"/*.mjs .
exec node run.mjs
