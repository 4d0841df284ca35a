import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { bundle } from '../bundle.ts';
import { ParameterError, parametersOf } from '../lib/parameters.ts';
import { TapStack } from '../lib/tap-stack.ts';

/** Run by `cdk`, which gives `-c name=value` and the profile's region. */
// No telling of AWS which constructs are used: the template holds what it needs, and nothing else.
const app = new App({ analyticsReporting: false });
try {
  const given: Record<string, unknown> = app.node.getAllContext();
  const region = given.region ?? process.env.CDK_DEFAULT_REGION;
  const parameters = parametersOf(region === undefined ? given : { ...given, region });
  const { collect, process: processor, query } = await bundle(join(import.meta.dirname, '..', 'dist'));
  new TapStack(app, 'TapStack', {
    parameters,
    folders: { collect: collect.folder, process: processor.folder, query: query.folder },
  });
  app.synth();
} catch (thrown) {
  if (!(thrown instanceof ParameterError)) throw thrown;
  console.error(thrown.message);
  process.exitCode = 2;
}
