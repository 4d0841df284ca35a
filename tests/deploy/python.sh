#!/usr/bin/env bash
# Makes the Python environments of the deployment proofs in .python, each once; prints nothing when all are there.
# Python 3.10 or newer is needed. Each tool has an environment of its own, for their dependencies contradict each other.
#   tests/deploy/python.sh emulator     makes only what the emulator needs; also: cfn-lint, checkov
set -euo pipefail
cd "$(dirname "$0")/../.."

declare -A packages=([emulator]='ministack==1.5.33' [cfn-lint]='cfn-lint==1.58.0' [checkov]='checkov==3.3.30')

for tool in "${@:-emulator cfn-lint checkov}"; do
  for name in $tool; do
    package="${packages[$name]}"
    folder=".python/$name"
    if [ "$(cat "$folder/installed" 2>/dev/null)" = "$package" ]; then continue; fi
    echo "making $folder with $package"
    rm -rf "$folder"
    python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check "$package" || { rm -rf "$folder"; exit 1; }
    echo "$package" > "$folder/installed"
  done
done
