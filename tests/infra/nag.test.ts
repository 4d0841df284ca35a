import { readFileSync } from 'node:fs';
import { type App, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks, type NagPack, PCIDSS321Checks } from 'cdk-nag';
import type { IConstruct } from 'constructs';
import { expect, test } from 'vitest';
import { stackOf } from './template.ts';

interface Finding {
  readonly path: string;
  readonly rule: string;
}

/** What both packs say of a stack, and what is acknowledged in it. */
function findingsOf(given: Readonly<Record<string, string>>): {
  readonly open: readonly string[];
  readonly acknowledged: readonly string[];
  readonly reasons: ReadonlyMap<string, string>;
} {
  const all: (Finding & { readonly isAcknowledged: boolean })[] = [];
  const packs = (app: App) =>
    [new AwsSolutionsChecks(app), new PCIDSS321Checks(app)].map((pack) => listening(pack, all));
  const { stack, synth } = stackOf(given, packs);
  const reasons = new Map<string, string>();
  for (const { node } of stack.node.findAll()) {
    for (const { type, data } of node.metadata) {
      if (type !== Validations.ACKNOWLEDGED_RULES_METADATA_KEY) continue;
      for (const [rule, reason] of Object.entries(data as Record<string, string>)) {
        const [, own] = /((?:AwsSolutions|PCI\.DSS\.321)-.*)$/.exec(rule) ?? [];
        if (own !== undefined) reasons.set(`${node.path} ${own}`, reason);
      }
    }
  }
  synth();
  const named = (wanted: boolean) =>
    all.filter(({ isAcknowledged }) => isAcknowledged === wanted).map(({ path, rule }) => `${path} ${rule}`);
  return { open: named(false), acknowledged: [...new Set(named(true))], reasons };
}

/** A pack asks of each finding whether it is acknowledged: here it is written down too. */
function listening(pack: NagPack, all: (Finding & { readonly isAcknowledged: boolean })[]): NagPack {
  const inner = pack as unknown as { isAcknowledged(resource: IConstruct, rule: string): boolean };
  const original = inner.isAcknowledged.bind(pack);
  inner.isAcknowledged = (resource, rule) => {
    const isAcknowledged = original(resource, rule);
    all.push({ path: resource.node.path, rule, isAcknowledged });
    // An open one would end the synthesis; it is in the list, which a test looks at.
    return true;
  };
  return pack;
}

const CERTIFICATE = `arn:aws:acm:us-east-1:123456789012:certificate/${'12345678-'.padEnd(36, '0')}`;

test.each([
  ['by default', {}],
  ['with everything on', { certificateArn: CERTIFICATE, archive: 'on', egressCidrs: '203.0.113.0/24' }],
  ['on demand', { tableMode: 'on-demand', streamMode: 'on-demand' }],
])(
  '%s, AwsSolutions and PCI DSS 3.2.1 find nothing but what is acknowledged, and nothing is acknowledged in vain',
  (variant, given) => {
    const { open, acknowledged, reasons } = findingsOf(given);
    expect(open).toEqual([]);
    expect(acknowledged.length).toBeGreaterThan(0);
    // One resource each: the path of the finding is that of the acknowledgement.
    expect(acknowledged.filter((finding) => !reasons.has(finding))).toEqual([]);
    const inVain = [...reasons.keys()].filter((finding) => !acknowledged.includes(finding));
    expect(inVain).toEqual([]);
    for (const [finding, reason] of reasons) expect.soft(reason.length, finding).toBeGreaterThan(60);
    if (variant === 'by default') {
      const document = readFileSync('docs/deploy.md', 'utf8');
      expect(document).toContain(`${acknowledged.length} acknowledged findings`);
    }
  },
);

test('a finding that nobody acknowledged is seen', () => {
  const { open } = findingsOf({ egressCidrs: '0.0.0.0/0', clientCidrs: '0.0.0.0/0' });
  expect(open.filter((finding) => /EC23|EC2/.test(finding)).length).toBeGreaterThan(0);
});
