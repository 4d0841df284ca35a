/** What CloudFormation sends to a custom resource, as far as it is read. */
export interface CustomResourceEvent {
  readonly RequestType: string;
  readonly ResponseURL: string;
  readonly StackId: string;
  readonly RequestId: string;
  readonly LogicalResourceId: string;
  readonly PhysicalResourceId?: string;
  readonly ResourceProperties: { readonly GroupId: string };
}

export function handler(event: CustomResourceEvent): Promise<void>;

export function sign(request: {
  readonly method: string;
  readonly host: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly service: string;
  readonly region: string;
  readonly now: Date;
  readonly keys: { readonly id: string; readonly secret: string; readonly token: string | undefined };
}): Record<string, string>;
