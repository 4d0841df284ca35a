#!/usr/bin/env bash
# What shows the AWS home without an account: our additions to the emulator by themselves, and a deployment that is
# used, disturbed and destroyed. Takes five minutes, Python 3.10 or newer, and openssl; options go to deploy.ts.
set -euo pipefail
cd "$(dirname "$0")/../.."

tests/deploy/python.sh emulator
(cd tests/deploy/emulator && PYTHONDONTWRITEBYTECODE=1 ../../../.python/emulator/bin/python -m unittest discover -p '*_test.py')
PATH="$PWD/node_modules/.bin:$PATH" exec node tests/deploy/deploy.ts "$@"
