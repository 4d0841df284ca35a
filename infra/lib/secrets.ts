import type { RemovalPolicy } from 'aws-cdk-lib';
import type * as kms from 'aws-cdk-lib/aws-kms';
import * as secretsmanager from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import { acknowledge } from './acknowledge.ts';

/** What trackers and readers have to show: two texts of 40 letters and digits, made when the stack is. */
export class Secrets extends Construct {
  readonly writeKey: secretsmanager.Secret;
  readonly readToken: secretsmanager.Secret;

  constructor(
    scope: Construct,
    id: string,
    { key, removalPolicy }: { readonly key: kms.IKey; readonly removalPolicy: RemovalPolicy },
  ) {
    super(scope, id);
    const secret = (part: string, description: string): secretsmanager.Secret => {
      const made = new secretsmanager.Secret(this, part, {
        description,
        encryptionKey: key,
        removalPolicy,
        generateSecretString: { passwordLength: 40, excludePunctuation: true, includeSpace: false },
      });
      acknowledge(made, {
        'AwsSolutions-SMG4':
          'Trackers in the field hold this text, so a rotation nobody announced would refuse their events. It is changed by hand, as docs/deploy.md says.',
      });
      return made;
    };
    this.writeKey = secret('WriteKey', 'Write key of trackers');
    this.readToken = secret('ReadToken', 'Read token of the API, the dashboard and the commands');
  }
}
