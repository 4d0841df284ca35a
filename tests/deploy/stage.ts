/** The deployed stack, with what scenes need of it. */
import type { Deployment } from './cdk.ts';
import type { Emulator, Listener } from './emulator.ts';
import { type Access, Tracker } from './tracker.ts';

export type FunctionKind = 'collect' | 'process' | 'query';

export interface Stage {
  readonly emulator: Emulator;
  readonly deployment: Deployment;
  readonly listeners: readonly Listener[];
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
  const listeners = await emulator.listeners(output('BalancerDns'));
  const serving = listeners.find(({ protocol }) => `${protocol.toLowerCase()}:` === new URL(output('Url')).protocol);
  if (serving === undefined) throw new Error(`no listener answers at ${output('Url')}`);
  const access = {
    url: serving.url,
    writeKey: await secret('WriteKeySecretArn'),
    readToken: await secret('ReadTokenSecretArn'),
  };
  const functions = {
    collect: output('CollectFunctionName'),
    process: output('ProcessFunctionName'),
    query: output('QueryFunctionName'),
  };
  return { emulator, deployment, listeners, access, tracker: new Tracker(access), functions, output };
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
export async function policiesOf(stage: Stage, functionName: string): Promise<readonly Policy[]> {
  const { Role } = await stage.emulator.call<{ readonly Role: string }>('lambda', 'get_function_configuration', {
    FunctionName: functionName,
  });
  return policiesOfRole(stage, Role);
}

export async function policiesOfRole({ emulator }: Stage, roleArn: string): Promise<readonly Policy[]> {
  const role = roleArn.split('/').at(-1) ?? '';
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

/** Takes a statement away, and others with it, while something is done. */
export async function without<T>(
  { emulator }: Stage,
  {
    policy,
    statement,
    also = [],
  }: { readonly policy: Policy; readonly statement: Statement; readonly also?: readonly Statement[] },
  act: () => Promise<T>,
): Promise<T> {
  const put = (statements: readonly Statement[]) =>
    emulator.call('iam', 'put_role_policy', {
      RoleName: policy.role,
      PolicyName: policy.name,
      PolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement: statements }),
    });
  await put(policy.statements.filter((each) => each !== statement && !also.includes(each)));
  try {
    return await act();
  } finally {
    await put(policy.statements);
  }
}

export function actionsOf({ Action }: Statement): readonly string[] {
  return typeof Action === 'string' ? [Action] : Action;
}
