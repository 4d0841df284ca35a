/** The choices that are no defaults: HTTPS with a certificate, stream and tables on demand, the archive and its replay. */
import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { connect } from 'node:tls';
import { GetObjectCommand, HeadObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { clickstream } from '../end-to-end/command.ts';
import { startServer } from '../end-to-end/running-server.ts';
import { COMMAND_PARTS } from '../homes/commands.ts';
import { Shell } from '../homes/shell.ts';
import { certificate, type Emulator, REGION, trust } from './emulator.ts';
import type { Plan } from './plan.ts';
import type { Scene } from './scenes.ts';
import { actionsOf, policiesOfRole, type Stage, without } from './stage.ts';
import { type Audit, events, Tracker } from './tracker.ts';

const NAME = 'events.internal.example';
/** Statements of the archive's role of which the emulator enforces nothing. */
const NOT_ENFORCED = new Set(['Bucket']);

export async function planChoices(emulator: Emulator): Promise<Plan> {
  const folder = mkdtempSync(join(tmpdir(), 'clickstream-choices-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const files = certificate(folder, { name: 'balancer', names: [NAME] });
  trust(files.certificate);
  // For the commands that scenes call.
  process.env.NODE_EXTRA_CA_CERTS = files.certificate;
  const pem = readFileSync(files.certificate, 'utf8');
  const { CertificateArn } = await emulator.call<{ readonly CertificateArn: string }>('acm', 'import_certificate', {
    Certificate: pem,
    PrivateKey: readFileSync(files.key, 'utf8'),
  });
  return {
    stackName: 'TapStack-clickstream-dev-alt',
    parameters: {
      deleteData: 'on',
      suffix: 'alt',
      streamMode: 'on-demand',
      tableMode: 'on-demand',
      archive: 'on',
      certificateArn: CertificateArn,
    },
    scenes: [
      https(new X509Certificate(pem)),
      PLAIN_HTTP,
      ON_DEMAND,
      ARCHIVE_ROLE,
      archived(folder),
      replayedHere(folder),
      replayedElsewhere(folder),
    ],
    last: [],
  };
}

function https(imported: X509Certificate): Scene {
  return {
    title:
      'HTTPS: the load balancer has the certificate that was imported; trackers, readers, the page and commands use it',
    play: async (stage) => {
      const { access, tracker, emulator } = stage;
      assert.equal(new URL(access.url).protocol, 'https:');
      const socket = connect({ host: '127.0.0.1', port: Number(new URL(access.url).port), servername: NAME });
      await once(socket, 'secureConnect');
      const version = socket.getProtocol();
      const shown = socket.getPeerX509Certificate();
      socket.destroy();
      assert.equal(shown?.fingerprint256, imported.fingerprint256);
      assert.equal((await fetch(`${access.url}/health`)).status, 200);
      assert.equal((await tracker.post(events(1, { scene: 'refused' }), {})).status, 401);
      const page = await fetch(`${access.url}/`);
      assert.match(`${page.status} ${page.headers.get('content-type')}`, /^200 text\/html/);
      await tracker.send(events(20, { scene: 'https' }));
      await emulator.drained();
      const shell = new Shell({ ...access, processed: () => emulator.drained(), maintained: async () => undefined });
      await COMMAND_PARTS['the newest events']?.(shell);
      return `${version}, a certificate for ${NAME}; ${await tracker.everyOnce('https')} events; ${shell.runs} commands`;
    },
  };
}

const PLAIN_HTTP: Scene = {
  title: 'port 80: a POST gets an error that names https and stores nothing; GET and HEAD are redirected',
  play: async ({ access, emulator, listeners, tracker }) => {
    const plain = listeners.find(({ port }) => port === 80);
    assert.ok(plain);
    const before = await audit(tracker);
    const refused = await fetch(`${plain.url}/v1/batch`, {
      method: 'POST',
      redirect: 'manual',
      headers: { 'Content-Type': 'application/json', Authorization: `Bearer ${access.writeKey}` },
      body: JSON.stringify({ batch: events(3, { scene: 'plain-http' }) }),
    });
    assert.equal(refused.status, 403);
    const error = (await refused.json()) as { readonly status: number; readonly code: string; readonly title: string };
    assert.deepEqual([error.status, error.code], [403, 'https_required']);
    assert.match(error.title, /https:\/\//);
    for (const method of ['PUT', 'DELETE', 'OPTIONS', 'PATCH']) {
      assert.equal((await fetch(`${plain.url}/v1/batch`, { method, redirect: 'manual' })).status, 403, method);
    }
    const path = '/api/v1/events?type=plain-http&limit=5';
    const target = `https://127.0.0.1:443${path}`;
    for (const method of ['GET', 'HEAD']) {
      const { status, headers } = await fetch(`${plain.url}${path}`, { method, redirect: 'manual' });
      assert.deepEqual([status, headers.get('location')], [301, target], method);
    }
    // Where it leads: port 443 is the listener's, which answers on another port of this machine.
    assert.deepEqual((await tracker.get<{ readonly events: readonly object[] }>(path)).events, []);
    await emulator.drained();
    const { accepted } = await audit(tracker);
    assert.equal(accepted, before.accepted);
    return `POST 403 ${error.code}, as PUT, DELETE, OPTIONS and PATCH; GET and HEAD 301 to ${target}; 0 stored`;
  },
};

const ON_DEMAND: Scene = {
  title: 'on demand: stream and tables have no capacity that scales; each event once, the audit balanced',
  play: async ({ emulator, deployment, output, tracker }) => {
    const { StreamDescriptionSummary: stream } = await emulator.call<{
      readonly StreamDescriptionSummary: {
        readonly StreamModeDetails: { readonly StreamMode: string };
        readonly OpenShardCount: number;
      };
    }>('kinesis', 'describe_stream_summary', { StreamName: output('StreamName') });
    assert.equal(stream.StreamModeDetails.StreamMode, 'ON_DEMAND');
    for (const name of ['EventsTableName', 'StateTableName']) {
      const { Table } = await emulator.call<{
        readonly Table: { readonly BillingModeSummary?: { readonly BillingMode: string } };
      }>('dynamodb', 'describe_table', { TableName: output(name) });
      assert.equal(Table.BillingModeSummary?.BillingMode, 'PAY_PER_REQUEST', name);
    }
    const scaling = deployment.resources.filter(({ ResourceType }) => ResourceType.includes('AutoScaling'));
    assert.deepEqual(scaling, []);
    await emulator.forgetReport();
    for (let round = 0; round < 6; round += 1) await tracker.send(events(50, { scene: 'on-demand' }));
    const again = events(20, { scene: 'on-demand' });
    await tracker.send(again);
    await tracker.send(again);
    await emulator.drained();
    const stored = await tracker.everyOnce('on-demand');
    const shards = new Set((await emulator.report()).batches.map(({ shard }) => shard));
    assert.equal(shards.size, stream.OpenShardCount);
    const { accepted, duplicate } = balanced(await audit(tracker));
    assert.equal(duplicate, again.length);
    return `ON_DEMAND, twice PAY_PER_REQUEST, no scaling target; ${stored} events in ${shards.size} shards, ${accepted} accepted`;
  },
};

const ARCHIVE_ROLE: Scene = {
  title: "each statement of the archive's role taken away: delivery waits, says why, and goes on once it is back",
  play: async (stage) => {
    const { emulator, tracker } = stage;
    const { role, logGroup } = await delivery(stage);
    assert.equal(await emulator.delivered(), 0);
    const seen: string[] = [];
    for (const policy of await policiesOfRole(stage, role)) {
      for (const statement of policy.statements) {
        const name = statement.Sid ?? actionsOf(statement).join(', ');
        if (NOT_ENFORCED.has(name)) continue;
        await emulator.forgetReport();
        // Whether errors are told of shows only when there is one: the right to write objects goes as well.
        const also = policy.statements.filter(({ Sid }) => name === 'Logs' && Sid === 'Objects');
        const since = Date.now();
        const waiting = await without(stage, { policy, statement, also }, async () => {
          await tracker.send(events(1, { scene: 'archive-role' }));
          return emulator.delivered({ withinMs: 2_500 });
        });
        assert.ok(waiting > 0, `${name}: nothing needed it`);
        const { notes } = await emulator.report();
        assert.ok(notes.some(({ kind }) => kind === 'not delivered'));
        assert.equal(
          notes.some(({ kind }) => kind === 'not logged'),
          name === 'Logs',
          name,
        );
        const told = await logged(stage, { logGroup, since });
        assert.equal(told.length > 0, name !== 'Logs', name);
        assert.equal(await emulator.delivered(), 0);
        seen.push(name);
      }
    }
    await emulator.drained();
    assert.equal(await tracker.everyOnce('archive-role'), seen.length);
    return `${seen.join('; ')}: noticed; ${[...NOT_ENFORCED].join(', ')}: not enforced by the emulator`;
  },
};

/** Of the archive, as Firehose describes it. */
async function delivery({
  emulator,
  deployment,
}: Stage): Promise<{ readonly role: string; readonly logGroup: string }> {
  const of = deployment.resources.find(({ ResourceType }) => ResourceType === 'AWS::KinesisFirehose::DeliveryStream');
  const { DeliveryStreamDescription } = await emulator.call<{
    readonly DeliveryStreamDescription: {
      readonly Destinations: readonly {
        readonly ExtendedS3DestinationDescription: {
          readonly RoleARN: string;
          readonly CloudWatchLoggingOptions: { readonly LogGroupName: string };
        };
      }[];
    };
  }>('firehose', 'describe_delivery_stream', { DeliveryStreamName: of?.PhysicalResourceId });
  const target = DeliveryStreamDescription.Destinations[0]?.ExtendedS3DestinationDescription;
  if (target === undefined) throw new Error('the archive delivers nowhere');
  return { role: target.RoleARN, logGroup: target.CloudWatchLoggingOptions.LogGroupName };
}

async function logged(
  { emulator }: Stage,
  { logGroup, since }: { readonly logGroup: string; readonly since: number },
): Promise<readonly string[]> {
  const { events: lines } = await emulator.call<{ readonly events: readonly { readonly message: string }[] }>(
    'logs',
    'filter_log_events',
    { logGroupName: logGroup, startTime: since },
  );
  return lines.map(({ message }) => message);
}

function archived(folder: string): Scene {
  return {
    title:
      'the archive: every record is in S3, gzipped, by the hour of its arrival, encrypted with the key of the stack',
    play: async ({ emulator, output, tracker }) => {
      assert.equal(await emulator.delivered(), 0);
      const s3 = new S3Client({
        endpoint: emulator.endpoint,
        region: REGION,
        forcePathStyle: true,
        credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
      });
      const Bucket = output('ArchiveBucketName');
      const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket }));
      mkdirSync(join(folder, 'archive'));
      for (const { Key = '' } of Contents) {
        assert.match(Key, /^records\/\d{4}\/\d\d\/\d\d\/\d\d\/[\w-]+-1-\d{4}(-\d\d){5}-[0-9a-f-]{36}\.gz$/);
        const { SSEKMSKeyId = '' } = await s3.send(new HeadObjectCommand({ Bucket, Key }));
        assert.equal(SSEKMSKeyId, output('KeyArn'));
        const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key }));
        writeFileSync(join(folder, 'archive', basename(Key)), (await Body?.transformToByteArray()) ?? '');
      }
      const { accepted } = balanced(await audit(tracker));
      const said = await replay(['--dry-run', join(folder, 'archive')]);
      assert.equal(said.events, accepted);
      const bytes = Contents.reduce((sum, { Size = 0 }) => sum + Size, 0);
      return `${said.records} records with ${said.events} events, all that were accepted, in ${Contents.length} objects of ${bytes} bytes`;
    },
  };
}

function replayedHere(folder: string): Scene {
  return {
    title: 'the archive replayed into its own stack: all duplicates, no counter changes',
    play: async ({ access, emulator, tracker }) => {
      const before = balanced(await audit(tracker));
      const counted = await counters(tracker);
      const to = ['--url', access.url, '--token', access.readToken];
      const said = await replay([join(folder, 'archive'), ...to]);
      await emulator.drained();
      const after = balanced(await audit(tracker));
      assert.equal(said.events, before.accepted);
      assert.equal(after.stored, before.stored);
      assert.equal(after.duplicate, before.duplicate + said.events);
      assert.deepEqual(await counters(tracker), counted);
      for (const scene of SENT) await tracker.everyOnce(scene);
      return `${said.events} duplicates; stored ${after.stored} as before; ${counted.length} counters as before`;
    },
  };
}

const SENT = ['https', 'on-demand', 'archive-role'] as const;

function replayedElsewhere(folder: string): Scene {
  return {
    title: 'the archive, with a file twice, replayed into a new server of the other home: the same events and counters',
    play: async ({ tracker }) => {
      const files = readdirSync(join(folder, 'archive'));
      copyFileSync(join(folder, 'archive', files[0] ?? ''), join(folder, 'archive', 'again.gz'));
      const server = await startServer({ data: join(folder, 'data') });
      try {
        const said = await replay([join(folder, 'archive'), '--url', server.url]);
        const local = new Tracker({ url: server.url, writeKey: '', readToken: '' });
        const { stored, duplicate } = balanced(await audit(local));
        for (const scene of SENT) assert.deepEqual(await placeless(local, scene), await placeless(tracker, scene));
        assert.deepEqual(await counters(local), await counters(tracker));
        assert.equal(stored + duplicate, said.events);
        return `${said.events} events from ${files.length + 1} files: ${stored} stored, each equal to that of the stack, ${duplicate} duplicates`;
      } finally {
        assert.equal(await server.stop(), 0);
      }
    },
  };
}

/** The events of a type but for where they lie, by their ids. */
async function placeless(tracker: Tracker, scene: string): Promise<readonly object[]> {
  const all = await tracker.stored(scene);
  return all.map(({ position: _, ...event }) => event).sort((one, other) => (one.eventId < other.eventId ? -1 : 1));
}

async function counters(tracker: Tracker): Promise<readonly (readonly [string, string, number])[]> {
  const from = encodeURIComponent(new Date(Date.now() - 3_600_000).toISOString());
  const found: [string, string, number][] = [];
  for (const [measure, by] of [
    ['events', 'eventType'],
    ['visitors', 'eventType'],
    ['sessions', ''],
  ] as const) {
    const { rows } = await tracker.get<{ readonly rows: readonly { readonly key?: string; readonly value: number }[] }>(
      `/api/v1/stats?measure=${measure}&interval=day&from=${from}${by && `&by=${by}`}`,
    );
    for (const { key = '', value } of rows) found.push([measure, key, value]);
  }
  return found.sort();
}

/** The audit once nothing waits to be processed. */
async function audit(tracker: Tracker): Promise<Audit> {
  for (const end = Date.now() + 30_000; ; ) {
    const found = await tracker.get<Audit>('/api/v1/audit?deep=true');
    if (found.waiting.length === 0 || Date.now() > end) return found;
  }
}

function balanced(found: Audit): Audit {
  const { problems, lost, unresolved, pending, bad, dead, balanced: isBalanced } = found;
  assert.deepEqual(
    { problems, lost, unresolved, pending, bad, dead, isBalanced },
    { problems: [], lost: 0, unresolved: 0, pending: 0, bad: 0, dead: 0, isBalanced: true },
  );
  return found;
}

/** What `clickstream replay` says that it did. */
async function replay(words: readonly string[]): Promise<{ readonly records: number; readonly events: number }> {
  const { code, output, errors } = await clickstream(['replay', '--json', ...words]);
  if (code !== 0) throw new Error(`replay ended with ${code}: ${output} ${errors}`);
  return JSON.parse(output) as { readonly records: number; readonly events: number };
}
