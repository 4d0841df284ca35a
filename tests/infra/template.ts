import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, type IPolicyValidationPlugin, Validations } from 'aws-cdk-lib';
import { parametersOf } from '../../infra/lib/parameters.ts';
import { TapStack } from '../../infra/lib/tap-stack.ts';

/** What CloudFormation is given, as JSON: values may be functions, as `{ Ref }`. */
export interface Template {
  readonly Resources: Record<string, Resource>;
  readonly Metadata?: Record<string, Record<string, string>>;
  readonly Outputs: Record<string, { Value: unknown; Description?: string }>;
}

export interface Resource {
  Type: string;
  // biome-ignore lint/suspicious/noExplicitAny: a template is what it is, and checks read deep into it
  Properties: any;
  DependsOn?: string | string[];
  DeletionPolicy?: string;
  UpdateReplacePolicy?: string;
}

/** Needs no network, and no bundles: what the functions hold is of no matter to the template. */
export function stackOf(
  given: Readonly<Record<string, string>> = {},
  pluginsOf: (app: App) => readonly IPolicyValidationPlugin[] = () => [],
): { readonly stack: TapStack; readonly synth: () => Template } {
  const folder = mkdtempSync(join(tmpdir(), 'clickstream-infra-'));
  const folders = { collect: join(folder, 'collect'), process: join(folder, 'process'), query: join(folder, 'query') };
  for (const [name, path] of Object.entries(folders)) {
    mkdirSync(path);
    writeFileSync(join(path, 'index.mjs'), `export const handler = () => '${name}';`);
  }
  const app = new App({ outdir: join(folder, 'out'), analyticsReporting: false });
  const plugins = pluginsOf(app);
  if (plugins.length > 0) Validations.of(app).addPlugins(...plugins);
  const stack = new TapStack(app, 'TapStack', { parameters: parametersOf(given), folders });
  const synth = () => {
    const assembly = app.synth();
    // Whatever is missing, cdk would ask AWS for.
    const { missing = [] } = assembly.manifest;
    if (missing.length > 0) throw new Error(`synthesis looks things up: ${JSON.stringify(missing)}`);
    const { templateFullPath } = assembly.getStackArtifact(stack.artifactId);
    const template = JSON.parse(readFileSync(templateFullPath, 'utf8')) as Template;
    rmSync(folder, { recursive: true });
    return template;
  };
  return { stack, synth };
}

export function resourcesOf(template: Template, ...types: readonly string[]): readonly (readonly [string, Resource])[] {
  return Object.entries(template.Resources).filter(([, { Type }]) => types.includes(Type));
}

/** The one resource of a type, or the one of several whose logical id matches. */
export function one(template: Template, type: string, id = /./): Resource {
  const [found, second] = resourcesOf(template, `AWS::${type}`).filter(([name]) => id.test(name));
  if (found === undefined || second !== undefined) throw new Error(`there is not one ${type} ${id}`);
  return found[1];
}

export function first(template: Template, type: string, id = /./): Resource {
  const [found] = resourcesOf(template, `AWS::${type}`).filter(([name]) => id.test(name));
  if (found === undefined) throw new Error(`there is no ${type} ${id}`);
  return found[1];
}

export function idOf(template: Template, type: string, id = /./): string {
  const [found] = resourcesOf(template, `AWS::${type}`).filter(([name]) => id.test(name));
  if (found === undefined) throw new Error(`there is no ${type} ${id}`);
  return found[0];
}

export function remove(template: Template, type: string, id = /./): void {
  delete template.Resources[idOf(template, type, id)];
}

/** The logical id that a value refers to, by Ref or GetAtt. */
export function referred(value: unknown): string | undefined {
  const { Ref, 'Fn::GetAtt': attribute } = (value ?? {}) as { Ref?: string; 'Fn::GetAtt'?: readonly string[] };
  return Ref ?? attribute?.[0];
}

export function listed<T>(value: T | readonly T[] | undefined): readonly T[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? (value as readonly T[]) : [value as T];
}

export const text = (value: unknown): string => JSON.stringify(value) ?? 'nothing';

/** Buckets that access logs are delivered to: AWS delivers to S3's own key only. */
export function accessLogBuckets(template: Template): ReadonlySet<string | undefined> {
  return new Set(
    resourcesOf(template, 'AWS::ElasticLoadBalancingV2::LoadBalancer').flatMap(([, { Properties }]) =>
      listed<{ Key: string; Value: unknown }>(Properties.LoadBalancerAttributes)
        .filter(({ Key }) => Key === 'access_logs.s3.bucket')
        .map(({ Value }) => referred(Value)),
    ),
  );
}
