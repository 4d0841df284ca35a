import { CfnResource, Validations } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';

/** Rules of the static checks (cdk-nag's packs, checkov) that this one resource does not follow, each with the reason. */
export function acknowledge(resource: IConstruct, reasons: Readonly<Record<string, string>>): void {
  // On the resource itself, so that it covers nothing else that its construct may come to hold.
  const one = resource.node.defaultChild ?? resource;
  for (const [id, reason] of Object.entries(reasons)) {
    if (!id.startsWith('CKV')) Validations.of(one).acknowledge({ id, reason });
  }
  const skip = Object.entries(reasons)
    .filter(([id]) => id.startsWith('CKV'))
    .map(([id, comment]) => ({ id, comment }));
  if (skip.length === 0) return;
  if (!CfnResource.isCfnResource(one)) throw new Error(`${one.node.path} is no resource`);
  const before = (one.getMetadata('checkov') as { readonly skip: readonly object[] } | undefined)?.skip ?? [];
  one.addMetadata('checkov', { skip: [...before, ...skip] });
}
