import code from './lib/empty-default-group.cjs';
import { PARAMETERS_OF_STACK } from './lib/parameters.ts';

export interface DeployedStack {
  readonly status: string;
  readonly outputs: Readonly<Record<string, string>>;
  /** The parameters that it was deployed with, each as text; undefined when its template does not say. */
  readonly parameters: Readonly<Record<string, string>> | undefined;
  /** Logical ids of what stays when the stack goes. */
  readonly retained: ReadonlySet<string>;
}

export interface StackResource {
  readonly logicalId: string;
  readonly type: string;
  /** Empty when it was never made. */
  readonly physicalId: string;
  readonly status: string;
}

export interface CloudFormationOptions {
  readonly region: string;
  readonly credentials: () => Promise<{
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string | undefined;
  }>;
  /** @default that of AWS in the region */
  readonly endpoint?: string | undefined;
}

/** https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html */
const RETAINS = /^Retain/;

/**
 * The three questions about a deployed stack that `npm run destroy` has. CDK's command line does not answer them, and the
 * SDK's client would be a package for that alone. Throws what CloudFormation says but for a stack that is not there.
 */
export class CloudFormation {
  readonly region: string;
  readonly #credentials: CloudFormationOptions['credentials'];
  readonly #endpoint: URL;

  constructor({ region, credentials, endpoint }: CloudFormationOptions) {
    this.region = region;
    this.#credentials = credentials;
    this.#endpoint = new URL('/', endpoint ?? `https://cloudformation.${region}.amazonaws.com`);
  }

  async stack(name: string): Promise<DeployedStack | undefined> {
    const described = await this.#call('DescribeStacks', { StackName: name });
    if (described === undefined) return undefined;
    const [status = ''] = textsOf(described, 'StackStatus');
    if (status === 'DELETE_COMPLETE') return undefined;
    const names = textsOf(described, 'OutputKey');
    const values = textsOf(described, 'OutputValue');
    const outputs = Object.fromEntries(names.map((key, at) => [key, values[at] ?? '']));
    return { status, outputs, ...(await this.#template(name)) };
  }

  async resources(name: string): Promise<readonly StackResource[]> {
    const found: StackResource[] = [];
    let token: string | undefined;
    do {
      const page = await this.#call('ListStackResources', { StackName: name, ...(token && { NextToken: token }) });
      for (const [member] of (page ?? '').matchAll(/<member>.*?<\/member>/gs)) {
        const [logicalId = ''] = textsOf(member, 'LogicalResourceId');
        const [type = ''] = textsOf(member, 'ResourceType');
        const [physicalId = ''] = textsOf(member, 'PhysicalResourceId');
        const [status = ''] = textsOf(member, 'ResourceStatus');
        found.push({ logicalId, type, physicalId, status });
      }
      [token] = textsOf(page ?? '', 'NextToken');
    } while (token !== undefined);
    return found;
  }

  /** GetTemplateSummary would be shorter, but GetTemplate gives the metadata as they were sent. */
  async #template(name: string): Promise<Pick<DeployedStack, 'parameters' | 'retained'>> {
    const answer = await this.#call('GetTemplate', { StackName: name, TemplateStage: 'Original' });
    const [body = '{}'] = textsOf(answer ?? '', 'TemplateBody');
    const { Metadata, Resources = {} } = JSON.parse(body) as {
      readonly Metadata?: Record<string, Record<string, string>>;
      readonly Resources?: Record<string, { readonly DeletionPolicy?: string }>;
    };
    const retained = Object.entries(Resources).filter(([, { DeletionPolicy = '' }]) => RETAINS.test(DeletionPolicy));
    return { parameters: Metadata?.[PARAMETERS_OF_STACK], retained: new Set(retained.map(([logicalId]) => logicalId)) };
  }

  /** Undefined when there is no such stack. https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/Welcome.html */
  async #call(action: string, parameters: Readonly<Record<string, string>>): Promise<string | undefined> {
    const { accessKeyId: id, secretAccessKey: secret, sessionToken: token } = await this.#credentials();
    const body = new URLSearchParams({ Action: action, Version: '2010-05-15', ...parameters }).toString();
    const { host, ...headers } = code.sign({
      method: 'POST',
      host: this.#endpoint.host,
      path: '/',
      headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' },
      body,
      service: 'cloudformation',
      region: this.region,
      now: new Date(),
      keys: { id, secret, token },
    });
    const signal = AbortSignal.timeout(30_000);
    const answer = await fetch(this.#endpoint, { method: 'POST', headers, body, signal });
    const text = await answer.text();
    if (answer.ok) return text;
    const [message = text] = textsOf(text, 'Message');
    if (message.includes('does not exist')) return undefined;
    throw new Error(`${action}: ${answer.status} ${message}`);
  }
}

/** What stands in each element of this name. CloudFormation's answers have no attributes within. */
function textsOf(xml: string, name: string): readonly string[] {
  return [...xml.matchAll(new RegExp(`<${name}>(.*?)</${name}>`, 'gs'))].map(([, text = '']) => unescaped(text));
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };

function unescaped(text: string): string {
  return text.replaceAll(
    /&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi,
    (whole, hex?: string, decimal?: string, name?: string) => {
      if (name !== undefined) return ENTITIES[name] ?? whole;
      return String.fromCodePoint(Number.parseInt(hex ?? decimal ?? '', hex === undefined ? 10 : 16));
    },
  );
}
