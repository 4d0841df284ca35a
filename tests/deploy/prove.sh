#!/usr/bin/env bash
# What shows the AWS home without an account: our additions to the emulator by themselves, a deployment with the defaults
# that is used, disturbed and destroyed, one with the other choices, and both commands as a user calls them. Takes some
# fourteen minutes, Python 3.10 or newer, and openssl; options go to the first deployment, and with --only, --keep or --choices it is the one that they are about alone.
set -euo pipefail
cd "$(dirname "$0")/../.."

tests/deploy/python.sh emulator
(cd tests/deploy/emulator && PYTHONDONTWRITEBYTECODE=1 ../../../.python/emulator/bin/python -m unittest discover -p '*_test.py')
export PATH="$PWD/node_modules/.bin:$PATH"
node tests/deploy/deploy.ts "$@"
case " $* " in
  *' --only '* | *' --keep '* | *' --choices '*) ;;
  *)
    node tests/deploy/deploy.ts --choices
    node tests/deploy/scripts.ts
    ;;
esac
