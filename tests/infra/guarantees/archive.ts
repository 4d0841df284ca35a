import type { Guarantee } from '../guarantee.ts';
import { one, referred, remove, resourcesOf, type Template, text } from '../template.ts';

const TYPE = 'KinesisFirehose::DeliveryStream';
/** As `clickstream replay` reads it. */
const LINE_FEED = [
  { Parameters: [{ ParameterName: 'Delimiter', ParameterValue: '\\n' }], Type: 'AppendDelimiterToRecord' },
];

export const archiveCanBeReplayed: Guarantee = {
  onlyOf: 'with everything on',
  problems: (template) => {
    const deliveries = resourcesOf(template, `AWS::${TYPE}`);
    return [
      ...(deliveries.length === 1 ? [] : [`${deliveries.length} delivery streams`]),
      ...deliveries.flatMap(([id, { Properties }]) => {
        const source =
          template.Resources[referred(Properties.KinesisStreamSourceConfiguration?.KinesisStreamARN) ?? ''];
        const target = Properties.ExtendedS3DestinationConfiguration ?? {};
        const { Enabled, Processors } = target.ProcessingConfiguration ?? {};
        const expected: Readonly<Record<string, boolean>> = {
          'reads the stream': source?.Type === 'AWS::Kinesis::Stream',
          'writes into a bucket of the stack':
            template.Resources[referred(target.BucketARN) ?? '']?.Type === 'AWS::S3::Bucket',
          'a line feed after each record': Enabled === true && text(Processors) === text(LINE_FEED),
          gzipped: target.CompressionFormat === 'GZIP',
          'by the hour': target.Prefix === 'records/!{timestamp:yyyy/MM/dd/HH}/',
          // https://docs.aws.amazon.com/firehose/latest/dev/s3-prefixes.html
          'what failed elsewhere': /^failed\/!\{firehose:error-output-type\}\//.test(target.ErrorOutputPrefix ?? ''),
          'tells of errors': target.CloudWatchLoggingOptions?.Enabled === true,
        };
        return Object.entries(expected).flatMap(([what, holds]) => (holds ? [] : [`${id}: not so: ${what}`]));
      }),
    ];
  },
  faults: {
    'there is none': (t) => remove(t, TYPE),
    'records run into one another': (t) => delete destination(t).ProcessingConfiguration,
    'the delimiter is switched off': (t) => (destination(t).ProcessingConfiguration.Enabled = false),
    'not gzipped': (t) => (destination(t).CompressionFormat = 'UNCOMPRESSED'),
    'by the day': (t) => (destination(t).Prefix = 'records/!{timestamp:yyyy/MM/dd}/'),
    'what failed lies among the records': (t) =>
      (destination(t).ErrorOutputPrefix = 'records/!{firehose:error-output-type}/'),
    'nobody is told of errors': (t) => (destination(t).CloudWatchLoggingOptions.Enabled = false),
    'of no stream': (t) => delete one(t, TYPE).Properties.KinesisStreamSourceConfiguration,
  },
};

const destination = (template: Template) => one(template, TYPE).Properties.ExtendedS3DestinationConfiguration;
