import { Fn, RemovalPolicy, Stack, type StackProps, Tags } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { Alarms } from './alarms.ts';
import { Archive } from './archive.ts';
import { AccessLogs } from './buckets.ts';
import { Collect } from './collect.ts';
import { Entry } from './entry.ts';
import { Keys } from './keys.ts';
import { Log } from './log.ts';
import { nameOf } from './name.ts';
import { Network } from './network.ts';
import { writeOutputs } from './outputs.ts';
import { PARAMETERS_OF_STACK, type Parameters } from './parameters.ts';
import { DeadLetters, Process } from './process.ts';
import { Query } from './query.ts';
import { Secrets } from './secrets.ts';
import { Store } from './store.ts';

export interface TapStackProps {
  readonly parameters: Parameters;
  /** The folders that the bundles of the three functions lie in. */
  readonly folders: { readonly collect: string; readonly process: string; readonly query: string };
}

/** The pipeline in one region of one account: entry ▸ collect ▸ log ▸ process ▸ store ▸ query ▸ entry. */
export class TapStack extends Stack {
  readonly #zones: readonly string[];

  constructor(scope: Construct, id: string, { parameters, folders }: TapStackProps) {
    const name = nameOf(parameters);
    const props: StackProps = {
      stackName: `TapStack-${name}`,
      description: 'Takes in and processes clickstream events',
      env: { region: parameters.region },
    };
    super(scope, id, props);
    // With a region given, Stack would ask AWS for the zones; the second of a region is there in every account.
    this.#zones =
      parameters.availabilityZones.length > 0
        ? parameters.availabilityZones
        : [Fn.select(0, Fn.getAzs()), Fn.select(1, Fn.getAzs())];
    // Buckets let S3's log delivery in by their policy; the way of old, by access lists, is off for good reason.
    this.node.setContext('@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy', true);

    const removalPolicy = parameters.deleteData ? RemovalPolicy.DESTROY : RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE;
    const keys = new Keys(this, 'Keys', { name, removalPolicy });
    const parts = { name, parameters, key: keys.key, removalPolicy };
    const network = new Network(this, 'Network', parts);
    const log = new Log(this, 'Log', parts);
    const store = new Store(this, 'Store', parts);
    const secrets = new Secrets(this, 'Secrets', parts);
    const accessLogs = new AccessLogs(this, 'AccessLogs', {
      retentionDays: parameters.accessLogRetentionDays,
      removalPolicy,
    });
    const deadLetters = new DeadLetters(this, 'DeadLetters', { ...parts, accessLogs });

    const stage = { ...parts, network, keys, log, store, secrets, deadLetters: deadLetters.bucket };
    const functions = {
      collect: new Collect(this, 'Collect', { ...stage, folder: folders.collect }).function,
      process: new Process(this, 'Process', { ...stage, folder: folders.process }).function,
      query: new Query(this, 'Query', { ...stage, folder: folders.query }).function,
    };
    const { collect, query } = functions;
    const entry = new Entry(this, 'Entry', { ...parts, network, collect, query, accessLogs });
    const archive = parameters.archive ? new Archive(this, 'Archive', { ...parts, keys, log, accessLogs }) : undefined;
    const alarms = new Alarms(this, 'Alarms', {
      ...parts,
      functions,
      log,
      store,
      entry,
      deadLetterQueue: deadLetters.queue,
      archive,
    });
    // `npm run destroy` deploys with these once more, and changes nothing but what is retained.
    this.templateOptions.metadata = { [PARAMETERS_OF_STACK]: parameters.texts };

    const { project, environment, suffix } = parameters;
    for (const [key, value] of Object.entries({ project, environment, suffix: suffix || 'none', stack: 'TapStack' })) {
      Tags.of(this).add(key, value);
    }
    writeOutputs(this, {
      parameters,
      network,
      keys,
      log,
      store,
      secrets,
      deadLetters,
      accessLogs,
      functions,
      entry,
      alarms,
      archive,
    });
  }

  override get availabilityZones(): string[] {
    return [...this.#zones];
  }
}
