import { expect, test } from 'vitest';
import { PROTOCOLS } from '../../src/collect/protocols.ts';
import { TRACKER_PATHS, Tracker } from '../../src/collect/tracker.ts';
import { createCollectHandler } from '../../src/main/collect-handler.ts';
import { createQueryHandler } from '../../src/main/query-handler.ts';
import { type AlbRequest, albAnswer, albEvent } from '../alb.ts';
import { FakeLog } from '../collector.ts';
import { MemoryEventStore } from '../contracts/memory-event-store.ts';
import { listed, type Resource, referred, resourcesOf, stackOf, type Template } from './template.ts';

type FunctionKind = 'collect' | 'query';

interface Route {
  readonly method: string;
  /** With any segment where the route has a name for one. */
  readonly path: string;
}

/** Where a listener sends a request: the first rule with a pattern that fits its path, or else the default. */
interface Routing {
  readonly patterns: readonly { readonly pattern: string; readonly to: FunctionKind }[];
  readonly otherwise: FunctionKind;
}

/** By listener that passes requests on. */
function routingsOf(template: Template): readonly Routing[] {
  const kindOf = (action: { readonly TargetGroupArn?: unknown }): FunctionKind => {
    const id = referred(action.TargetGroupArn) ?? '';
    const name = String(template.Resources[id]?.Properties.Name);
    if (name.endsWith('-collect')) return 'collect';
    if (name.endsWith('-query')) return 'query';
    throw new Error(`a target group of no function: ${id} ${name}`);
  };
  const rules = resourcesOf(template, 'AWS::ElasticLoadBalancingV2::ListenerRule').map(([, rule]) => rule.Properties);
  return resourcesOf(template, 'AWS::ElasticLoadBalancingV2::Listener')
    .filter(([, { Properties }]) => Properties.DefaultActions[0].Type === 'forward')
    .map(([id, { Properties }]) => ({
      otherwise: kindOf(Properties.DefaultActions[0]),
      patterns: rules
        .filter(({ ListenerArn }) => referred(ListenerArn) === id)
        .sort((one, other) => one.Priority - other.Priority)
        .flatMap((rule) =>
          listed<Resource['Properties']>(rule.Conditions).flatMap(({ PathPatternConfig }) =>
            listed<string>(PathPatternConfig?.Values).map((pattern) => ({ pattern, to: kindOf(rule.Actions[0]) })),
          ),
        ),
    }));
}

/** https://docs.aws.amazon.com/elasticloadbalancing/latest/application/rule-condition-types.html: by case, `*` any, `?` one. */
function fits(pattern: string, path: string): boolean {
  const parts = pattern.split(/([*?])/).map((part) => {
    if (part === '*') return '.*';
    return part === '?' ? '.' : part.replace(/[.+^${}()|[\]\\]/g, '\\$&');
  });
  return new RegExp(`^${parts.join('')}$`).test(path);
}

/** Both functions answer it: each target group asks its own for it, and a reader's request comes to the collector. */
const OF_BOTH = '/health';

/** Where what a listener does is not what the functions serve. */
function problemsOf(
  routes: Readonly<Record<FunctionKind, readonly Route[]>>,
  { patterns, otherwise }: Routing,
): string[] {
  const patternOf = (path: string) => patterns.find(({ pattern }) => fits(pattern, path));
  const astray = (['collect', 'query'] as const).flatMap((kind) =>
    routes[kind]
      .filter(({ path }) => path !== OF_BOTH && (patternOf(path)?.to ?? otherwise) !== kind)
      .map(({ path }) => `${path} of ${kind} does not come to it`),
  );
  const idle = patterns.filter(
    ({ pattern, to }) => !routes[to].some(({ path }) => patternOf(path)?.pattern === pattern),
  );
  return [...astray, ...idle.map(({ pattern, to }) => `${pattern} goes to ${to}, which has no such route`)];
}

const TOKEN = 'a-token-to-read';
const secret = { text: TOKEN, look: async () => undefined, settled: async () => undefined };
const parts = { secret, log: new FakeLog(), store: new MemoryEventStore(), clock: Date.now };
const report = (_what: string, fault: unknown) => {
  throw fault;
};
const tracker = new Tracker({ built: `send("${TRACKER_PATHS.collect}")`, paths: TRACKER_PATHS });
const salts = { of: async () => Buffer.alloc(0) };
const HANDLERS = {
  collect: createCollectHandler({ ...parts, tracker, salts, proxies: 1, report }),
  query: createQueryHandler({
    ...parts,
    reader: parts.store,
    page: new Map(),
    shards: async () => new Map(),
    metric: () => undefined,
    report,
  }),
} as const;

async function ask(kind: FunctionKind, request: AlbRequest) {
  const headers = { authorization: `Bearer ${TOKEN}`, ...request.headers };
  return albAnswer(await HANDLERS[kind](albEvent({ ...request, headers })));
}

async function isServed(kind: FunctionKind, { method, path }: Route): Promise<boolean> {
  const { status, body } = await ask(kind, { method, url: path });
  return status !== 404 || !body.includes(`nothing is served at ${path}`);
}

async function routesOf(): Promise<Readonly<Record<FunctionKind, readonly Route[]>>> {
  const { paths } = JSON.parse((await ask('query', { url: '/openapi.json' })).body) as {
    readonly paths: Readonly<Record<string, Readonly<Record<string, { readonly tags: readonly string[] }>>>>;
  };
  return {
    // tests/api holds the document against what is served, and against the protocols.
    query: Object.entries(paths).flatMap(([path, operations]) =>
      Object.entries(operations)
        .filter(([, { tags }]) => !tags.includes('collect'))
        .map(([method]) => ({ method: method.toUpperCase(), path: path.replaceAll(/\{\w+\}/g, 'any') })),
    ),
    collect: [
      { method: 'GET', path: TRACKER_PATHS.script },
      ...PROTOCOLS.flatMap((protocol) =>
        protocol.routes.flatMap(({ path, methods }) =>
          methods.map((method) => ({ method, path: path.replaceAll('*', 'any') })),
        ),
      ),
    ],
  };
}

const CERTIFICATE = `arn:aws:acm:us-east-1:123456789012:certificate/${'12345678-'.padEnd(36, '0')}`;
const ROUTINGS = [{}, { certificateArn: CERTIFICATE }].flatMap((given) => routingsOf(stackOf(given).synth()));
const ROUTES = await routesOf();

test('the load balancer sends each route to the function that serves it, and has no rule for what none serves', () => {
  expect(ROUTINGS).toHaveLength(2);
  for (const routing of ROUTINGS) expect(problemsOf(ROUTES, routing)).toEqual([]);
  expect([ROUTES.query.length, ROUTES.collect.length].every((length) => length > 10)).toBe(true);
});

test('each function serves its own routes, and none of the other', async () => {
  for (const [kind, other] of [
    ['collect', 'query'],
    ['query', 'collect'],
  ] as const) {
    for (const route of ROUTES[kind]) {
      expect(await isServed(kind, route), `${route.method} ${route.path} by ${kind}`).toBe(true);
      expect(await isServed(other, route), `${route.method} ${route.path} by ${other}`).toBe(route.path === OF_BOTH);
    }
  }
});

test('a route that is added or taken away at one side only is found', () => {
  const [routing] = ROUTINGS;
  if (routing === undefined) throw new Error('no listener');
  const withRoute = (kind: FunctionKind, path: string) => ({
    ...ROUTES,
    [kind]: [...ROUTES[kind], { method: 'GET', path }],
  });
  const without = (gone: string) => ({ ...ROUTES, query: ROUTES.query.filter(({ path }) => path !== gone) });
  const faults = [
    problemsOf(withRoute('query', '/status'), routing),
    problemsOf(withRoute('collect', '/api/v2/send'), routing),
    problemsOf(withRoute('collect', '/'), routing),
    problemsOf(without('/ready'), routing),
    problemsOf(ROUTES, { ...routing, patterns: [...routing.patterns, { pattern: '/status', to: 'query' }] }),
    problemsOf(ROUTES, { ...routing, patterns: routing.patterns.filter(({ pattern }) => pattern !== '/metrics') }),
    problemsOf(ROUTES, { ...routing, otherwise: 'query' }),
  ];
  for (const [number, problems] of faults.entries()) expect(problems, `fault ${number}`).not.toEqual([]);
});
