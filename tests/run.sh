#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# `make run`: dived for a developer, in the foreground, without root: its files are in build/run, its
# configuration is conf/developer.yaml, the names it resolves are the real ones. Ctrl-C ends it.
#
#   DIVED, DIVECTL        other binaries
#   PORT=3128             another port

set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
dived=${DIVED:-$root/build/dived}
port=${PORT:-3128}
dir=$root/build/run
divectl=${DIVECTL:-$root/build/divectl}

[ -x "$dived" ] || { echo "$dived is not there: run make first" >&2; exit 1; }
umask 077
mkdir -p "$dir"
sed "s/127\.0\.0\.1:3128/127.0.0.1:$port/" "$root/conf/developer.yaml" > "$dir/dived.yaml"
"$dived" -c "$dir/dived.yaml" --check

# The CA is made at the first start; env is good from then on.
cat <<TEXT
dived listens on 127.0.0.1:$port. In another terminal:

  eval "\$($divectl -c $dir/dived.yaml env)"     # curl, wget, pip, npm, git and others use it and trust it

  curl -sS -o /dev/null -w '%{http_code}\\n' https://example.com/

If a client fails: $divectl -c $dir/dived.yaml doctor URL
The access log follows.

TEXT
exec "$dived" -c "$dir/dived.yaml"
