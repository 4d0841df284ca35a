/** The deployed stack, with what scenes need of it. */
import type { Deployment } from './cdk.ts';
import type { Emulator } from './emulator.ts';
import { type FrontDoor, openFrontDoor } from './front-door.ts';
import { type Access, Tracker } from './tracker.ts';

export type FunctionKind = 'collect' | 'process' | 'query';

export interface Stage {
  readonly emulator: Emulator;
  readonly deployment: Deployment;
  readonly door: FrontDoor;
  readonly access: Access;
  readonly tracker: Tracker;
  readonly functions: Readonly<Record<FunctionKind, string>>;
  output(name: string): string;
}

export async function openStage(emulator: Emulator, deployment: Deployment): Promise<Stage> {
  const output = (name: string) => {
    const value = deployment.outputs[name];
    if (value === undefined) throw new Error(`the stack has no output ${name}`);
    return value;
  };
  const secret = async (name: string) => {
    const { SecretString } = await emulator.call<{ readonly SecretString: string }>(
      'secretsmanager',
      'get_secret_value',
      { SecretId: output(name) },
    );
    return SecretString;
  };
  const door = await openFrontDoor(emulator.endpoint, output('BalancerDns'));
  const access = {
    url: door.url,
    writeKey: await secret('WriteKeySecretArn'),
    readToken: await secret('ReadTokenSecretArn'),
  };
  const functions = {
    collect: output('CollectFunctionName'),
    process: output('ProcessFunctionName'),
    query: output('QueryFunctionName'),
  };
  return { emulator, deployment, door, access, tracker: new Tracker(access), functions, output };
}

export interface Statement {
  readonly Sid?: string;
  readonly Effect: string;
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: object;
}

interface Policy {
  readonly role: string;
  readonly name: string;
  readonly statements: readonly Statement[];
}

/** All policies of the role of a function. */
export async function policiesOf({ emulator }: Stage, functionName: string): Promise<readonly Policy[]> {
  const { Role } = await emulator.call<{ readonly Role: string }>('lambda', 'get_function_configuration', {
    FunctionName: functionName,
  });
  const role = Role.split('/').at(-1) ?? '';
  const { PolicyNames } = await emulator.call<{ readonly PolicyNames: readonly string[] }>(
    'iam',
    'list_role_policies',
    {
      RoleName: role,
    },
  );
  return Promise.all(
    PolicyNames.map(async (name) => {
      const { PolicyDocument } = await emulator.call<{ readonly PolicyDocument: unknown }>('iam', 'get_role_policy', {
        RoleName: role,
        PolicyName: name,
      });
      const document = typeof PolicyDocument === 'string' ? JSON.parse(PolicyDocument) : PolicyDocument;
      return { role, name, statements: (document as { readonly Statement: Statement[] }).Statement };
    }),
  );
}

/** Takes a statement away while something is done. */
export async function without<T>(
  { emulator }: Stage,
  { policy, statement }: { readonly policy: Policy; readonly statement: Statement },
  act: () => Promise<T>,
): Promise<T> {
  const put = (statements: readonly Statement[]) =>
    emulator.call('iam', 'put_role_policy', {
      RoleName: policy.role,
      PolicyName: policy.name,
      PolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement: statements }),
    });
  await put(policy.statements.filter((each) => each !== statement));
  try {
    return await act();
  } finally {
    await put(policy.statements);
  }
}

export function actionsOf({ Action }: Statement): readonly string[] {
  return typeof Action === 'string' ? [Action] : Action;
}
