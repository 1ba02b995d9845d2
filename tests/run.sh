#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
#
# `make run`: dived for a developer, in the foreground, without root: its files are in build/run, its
# configuration is conf/developer.yaml, the names it resolves are the real ones. Ctrl-C ends it.
#
#   DIVED=path/to/dived   another binary
#   PORT=3128             another port

set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
dived=${DIVED:-$root/build/dived}
port=${PORT:-3128}
dir=$root/build/run

[ -x "$dived" ] || { echo "$dived is not there: run make first" >&2; exit 1; }
umask 077
mkdir -p "$dir"
sed "s/127\.0\.0\.1:3128/127.0.0.1:$port/" "$root/conf/developer.yaml" > "$dir/dived.yaml"
"$dived" -c "$dir/dived.yaml" --check

# The CA is made at the first start; the lines below are good from then on.
cat <<TEXT
dived listens on 127.0.0.1:$port. In another terminal:

  export http_proxy=http://127.0.0.1:$port  https_proxy=http://127.0.0.1:$port
  export HTTP_PROXY=\$http_proxy  HTTPS_PROXY=\$https_proxy  no_proxy=localhost,127.0.0.1
  export CURL_CA_BUNDLE=$dir/ca.crt       # curl
  export SSL_CERT_FILE=$dir/ca.crt        # wget2, go, ruby, and what uses OpenSSL
  export REQUESTS_CA_BUNDLE=$dir/ca.crt   # Python requests
  export PIP_CERT=$dir/ca.crt             # pip
  export NODE_EXTRA_CA_CERTS=$dir/ca.crt  # node, npm
  export CARGO_HTTP_CAINFO=$dir/ca.crt    # cargo
  export GIT_SSL_CAINFO=$dir/ca.crt       # git

  curl -sS -o /dev/null -w '%{http_code}\\n' https://example.com/

More tools and the ways to trust the CA: build/divectl env. The access log follows.

TEXT
exec "$dived" -c "$dir/dived.yaml"
