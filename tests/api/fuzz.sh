#!/usr/bin/env bash
# Asks a real server what its OpenAPI document allows and does not allow, by Schemathesis, and exits with 1 on a finding.
# Takes about two minutes, and Python 3.10 or newer; what it installs stays in node_modules/.cache.
#   --seconds 50   for each of its two runs: reading, and collecting
set -euo pipefail
cd "$(dirname "$0")/../.."

version=4.32.5
tool="node_modules/.cache/schemathesis-$version"
if ! [ -x "$tool/bin/st" ]; then
  rm -rf "$tool"
  python3 -m venv "$tool"
  "$tool/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$version" || { rm -rf "$tool"; exit 1; }
fi

PATH="$PWD/node_modules/.bin:$PATH" exec node tests/api/fuzz.ts --tool "$tool/bin/st" "$@"
