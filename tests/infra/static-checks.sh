#!/usr/bin/env bash
# What others' tools say of the template: cfn-lint (is it one that CloudFormation takes) and checkov (is it safe), by default
# and with everything on. Exits with 1 on a finding that is not acknowledged. cdk-nag's packs run in `npm test`.
# Needs Python 3.10 or newer; the tools stay in .python. Synthesizing needs no network.
set -euo pipefail
cd "$(dirname "$0")/../.."
tests/deploy/python.sh "cfn-lint checkov"

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
certificate='arn:aws:acm:us-east-1:123456789012:certificate/12345678-1234-1234-1234-123456789012'

check() {
  local name="$1"
  shift
  node infra/cdk.ts synth --quiet --no-notices --output "$folder/$name" "$@"
  local template="$folder/$name/TapStack.template.json"
  .python/cfn-lint/bin/cfn-lint "$template"
  # It would ask its maker for guidelines; the findings are the same without.
  .python/checkov/bin/checkov --file "$template" --framework cloudformation --compact --quiet --skip-download \
    --output json > "$folder/$name.json" 2> /dev/null || { cat "$folder/$name.json"; exit 1; }
  node -e '
    const { passed, failed, skipped, resource_count: resources } = JSON.parse(fs.readFileSync(process.argv[1], "utf8")).summary;
    console.log(`${process.argv[2]}: cfn-lint finds nothing; checkov: ${passed} passed, ${failed} failed, ${skipped} acknowledged, ${resources} resources`);
    process.exitCode = failed === 0 && passed > 100 ? 0 : 1;
  ' "$folder/$name.json" "$name"
}

check default --context region=us-east-1
check everything --context region=us-east-1 --context "certificateArn=$certificate" --context archive=on \
  --context egressCidrs=203.0.113.0/24
check on-demand --context region=us-east-1 --context tableMode=on-demand --context streamMode=on-demand
