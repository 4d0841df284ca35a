import * as iam from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';

/** A role of one service for one purpose, with all it may do written into it. */
export function serviceRole(
  scope: Construct,
  id: string,
  {
    service,
    conditions = {},
    statements,
  }: {
    readonly service: string;
    /** Of who may take the role on. */
    readonly conditions?: Record<string, object>;
    readonly statements: readonly iam.PolicyStatement[];
  },
): iam.Role {
  const role = new iam.Role(scope, id, {
    assumedBy: new iam.ServicePrincipal(service, { conditions }),
    inlinePolicies: { Exact: new iam.PolicyDocument({ statements: [...statements] }) },
  });
  acknowledge(role, {
    'PCI.DSS.321-IAMNoInlinePolicy':
      'The policy is for this role alone, lives and dies with it, and is reviewed with it; a managed one could be attached to anybody.',
  });
  return role;
}
