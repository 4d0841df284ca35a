import { PARAMETERS_OF_STACK } from '../../../infra/lib/parameters.ts';
import type { Guarantee } from '../guarantee.ts';
import { first, idOf, listed, one, referred, resourcesOf, text } from '../template.ts';

/** Those with a bundle; the one that empties the default group is written into the template. */
export const functionsAreAlike: Guarantee = {
  problems: (template) => {
    const functions = resourcesOf(template, 'AWS::Lambda::Function').filter(
      ([, { Properties }]) => Properties.Code.ZipFile === undefined,
    );
    const subnets = resourcesOf(template, 'AWS::EC2::Subnet').map(([id]) => id);
    const roles = resourcesOf(template, 'AWS::Lambda::Function').map(([, { Properties }]) => referred(Properties.Role));
    return [
      ...(functions.length === 3 ? [] : [`${functions.length} functions`]),
      ...(new Set(roles).size === roles.length ? [] : ['two functions share a role']),
      ...functions.flatMap(([id, { Properties: made }]) => {
        const variables = made.Environment?.Variables ?? {};
        const expected: Readonly<Record<string, boolean>> = {
          'Node 24': made.Runtime === 'nodejs24.x',
          arm64: text(made.Architectures) === text(['arm64']),
          '512 MB': made.MemorySize === 512,
          '60 s': made.Timeout === 60,
          traced: made.TracingConfig?.Mode === 'Active',
          'in the private subnets': text(listed(made.VpcConfig?.SubnetIds).map(referred)) === text(subnets),
          'in a group of the stack':
            template.Resources[referred(made.VpcConfig?.SecurityGroupIds?.[0]) ?? '']?.Type ===
            'AWS::EC2::SecurityGroup',
          'source maps': variables.NODE_OPTIONS === '--enable-source-maps',
          'knows the stream, the tables and the bucket': [
            'STREAM_NAME',
            'EVENTS_TABLE',
            'STATE_TABLE',
            'DEAD_LETTERS_BUCKET',
          ].every((name) => referred(variables[name]) !== undefined),
        };
        return Object.entries(expected).flatMap(([what, holds]) => (holds ? [] : [`${id}: not so: ${what}`]));
      }),
    ];
  },
  faults: {
    'Node 20': (t) => (one(t, 'Lambda::Function', /Collector/).Properties.Runtime = 'nodejs20.x'),
    x86: (t) => delete one(t, 'Lambda::Function', /Processor/).Properties.Architectures,
    '128 MB': (t) => (one(t, 'Lambda::Function', /Reader/).Properties.MemorySize = 128),
    '3 s': (t) => delete one(t, 'Lambda::Function', /Reader/).Properties.Timeout,
    'not traced': (t) => delete one(t, 'Lambda::Function', /Reader/).Properties.TracingConfig,
    'outside the VPC': (t) => delete one(t, 'Lambda::Function', /Reader/).Properties.VpcConfig,
    'no source maps': (t) => delete one(t, 'Lambda::Function', /Reader/).Properties.Environment.Variables.NODE_OPTIONS,
    'it does not know a table': (t) =>
      delete one(t, 'Lambda::Function', /Reader/).Properties.Environment.Variables.STATE_TABLE,
    'two share a role': (t) =>
      (one(t, 'Lambda::Function', /Reader/).Properties.Role = one(t, 'Lambda::Function', /Collector/).Properties.Role),
  },
};

/** How many addresses in X-Forwarded-For are those of proxies: without it every visitor behind CloudFront has its address. */
export const clientsAreKnown: Guarantee = {
  problems: (template) =>
    resourcesOf(template, 'AWS::Lambda::Function')
      .filter(([, { Properties }]) => String(Properties.FunctionName).endsWith('-collect'))
      .filter(
        ([, { Properties }]) =>
          Properties.Environment.Variables.PROXIES !== template.Metadata?.[PARAMETERS_OF_STACK]?.proxies,
      )
      .map(([id]) => `${id} does not know how many proxies there are`),
  faults: {
    'it does not know': (t) => delete one(t, 'Lambda::Function', /Collector/).Properties.Environment.Variables.PROXIES,
    'it knows another number': (t) =>
      (one(t, 'Lambda::Function', /Collector/).Properties.Environment.Variables.PROXIES = '2'),
  },
};

export const processorHasItsShare: Guarantee = {
  problems: (template) =>
    resourcesOf(template, 'AWS::Lambda::Function')
      .filter(([, { Properties }]) => String(Properties.FunctionName).endsWith('-process'))
      .filter(([, { Properties }]) => Properties.ReservedConcurrentExecutions !== 100)
      .map(([id]) => `${id} has no share of 100`),
  faults: {
    'none is reserved': (t) => delete one(t, 'Lambda::Function', /Processor/).Properties.ReservedConcurrentExecutions,
  },
};

export const tablesAreMaintained: Guarantee = {
  problems: (template) => {
    const [id] =
      resourcesOf(template, 'AWS::Lambda::Function').find(([, { Properties }]) =>
        String(Properties.FunctionName).endsWith('-process'),
      ) ?? [];
    const [rule, made] =
      resourcesOf(template, 'AWS::Events::Rule').find(
        ([, { Properties }]) =>
          referred(Properties.Targets?.[0]?.Arn) === id && JSON.parse(Properties.Targets[0].Input).task === 'maintain',
      ) ?? [];
    if (rule === undefined) return ['nothing tells the processor to maintain the tables'];
    const { ScheduleExpression, State } = made?.Properties ?? {};
    const isLetIn = resourcesOf(template, 'AWS::Lambda::Permission').some(
      ([, { Properties }]) =>
        Properties.Principal === 'events.amazonaws.com' &&
        referred(Properties.SourceArn) === rule &&
        referred(Properties.FunctionName) === id,
    );
    return [
      ...(State === 'ENABLED' && ScheduleExpression === 'rate(1 minute)' ? [] : [`${rule} is not once a minute`]),
      ...(isLetIn ? [] : [`${rule} may not invoke the processor`]),
    ];
  },
  faults: {
    'no schedule': (t) => delete t.Resources[idOf(t, 'Events::Rule', /Maintenance/)],
    'once a day': (t) => (one(t, 'Events::Rule', /Maintenance/).Properties.ScheduleExpression = 'rate(1 day)'),
    'another task': (t) => (one(t, 'Events::Rule', /Maintenance/).Properties.Targets[0].Input = '{"task":"audit"}'),
    'it may not invoke': (t) => delete t.Resources[idOf(t, 'Lambda::Permission', /Maintenance/)],
  },
};

/** Of millions of requests that went well no line is paid for; where invocations are few, Lambda says what memory each took. */
export const linesAreWorthTheirPrice: Guarantee = {
  problems: (template) =>
    Object.entries({ Collector: 'WARN', Processor: 'INFO', Reader: 'INFO' }).flatMap(([id, system]) => {
      const { LogFormat, SystemLogLevel, ApplicationLogLevel } =
        one(template, 'Lambda::Function', new RegExp(id)).Properties.LoggingConfig ?? {};
      return [
        // Only then are there levels.
        ...(LogFormat === 'JSON' ? [] : [`${id} does not write JSON`]),
        ...(SystemLogLevel === system ? [] : [`${id}: Lambda itself writes from ${SystemLogLevel} on`]),
        ...(ApplicationLogLevel === 'INFO' ? [] : [`${id}: metrics, which are lines of level INFO, are dropped`]),
      ];
    }),
  faults: {
    'two lines for each request': (t) =>
      delete one(t, 'Lambda::Function', /Collector/).Properties.LoggingConfig.SystemLogLevel,
    'no line says what memory the processor took': (t) =>
      (one(t, 'Lambda::Function', /Processor/).Properties.LoggingConfig.SystemLogLevel = 'WARN'),
    'metrics are dropped': (t) =>
      (one(t, 'Lambda::Function', /Processor/).Properties.LoggingConfig.ApplicationLogLevel = 'WARN'),
    'plain text': (t) => (one(t, 'Lambda::Function', /Reader/).Properties.LoggingConfig.LogFormat = 'Text'),
  },
};

export const logsForget: Guarantee = {
  problems: (template) => [
    ...resourcesOf(template, 'AWS::Logs::LogGroup')
      .filter(([, { Properties }]) => !(Properties.RetentionInDays > 0))
      .map(([id]) => `${id} never forgets`),
    // A function without one gets a group that nobody encrypts and that never forgets.
    ...resourcesOf(template, 'AWS::Lambda::Function')
      .filter(
        ([, { Properties }]) =>
          template.Resources[referred(Properties.LoggingConfig?.LogGroup) ?? '']?.Type !== 'AWS::Logs::LogGroup',
      )
      .map(([id]) => `${id} has no log group of the stack`),
  ],
  faults: {
    'a group that never forgets': (t) => delete first(t, 'Logs::LogGroup', /Flow/).Properties.RetentionInDays,
    'a function that makes its own group': (t) =>
      delete first(t, 'Lambda::Function', /Reader/).Properties.LoggingConfig,
  },
};
