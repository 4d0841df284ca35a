import type { Guarantee, Statement } from '../guarantee.ts';
import { accessLogBuckets, first, listed, one, type Resource, referred, remove, resourcesOf } from '../template.ts';

/** Of each type that holds data, where the key stands. */
const KEY_OF: Readonly<Record<string, (properties: Resource['Properties']) => unknown>> = {
  'AWS::Kinesis::Stream': ({ StreamEncryption }) =>
    StreamEncryption?.EncryptionType === 'KMS' && StreamEncryption.KeyId,
  'AWS::DynamoDB::Table': ({ SSESpecification }) => SSESpecification?.SSEEnabled && SSESpecification.KMSMasterKeyId,
  'AWS::S3::Bucket': ({ BucketEncryption }) =>
    BucketEncryption?.ServerSideEncryptionConfiguration?.[0]?.ServerSideEncryptionByDefault?.KMSMasterKeyID,
  'AWS::SQS::Queue': ({ KmsMasterKeyId }) => KmsMasterKeyId,
  'AWS::SNS::Topic': ({ KmsMasterKeyId }) => KmsMasterKeyId,
  'AWS::Logs::LogGroup': ({ KmsKeyId }) => KmsKeyId,
  'AWS::SecretsManager::Secret': ({ KmsKeyId }) => KmsKeyId,
  'AWS::KinesisFirehose::DeliveryStream': ({ ExtendedS3DestinationConfiguration: destination }) =>
    destination?.EncryptionConfiguration?.KMSEncryptionConfig?.AWSKMSKeyARN,
};

export const dataIsEncrypted: Guarantee = {
  problems: (template) => {
    const keys = resourcesOf(template, 'AWS::KMS::Key').map(([id]) => id);
    const excepted = accessLogBuckets(template);
    return Object.entries(KEY_OF).flatMap(([type, keyOf]) =>
      resourcesOf(template, type)
        .filter(([id]) => !excepted.has(id))
        .filter(([, { Properties }]) => !keys.includes(referred(keyOf(Properties ?? {})) ?? ''))
        .map(([id]) => `${id} is not encrypted with the key of the stack`),
    );
  },
  faults: {
    'a stream in clear': (t) => delete one(t, 'Kinesis::Stream').Properties.StreamEncryption,
    "a stream with the service's key": (t) =>
      (one(t, 'Kinesis::Stream').Properties.StreamEncryption.KeyId = 'alias/aws/kinesis'),
    "a table with the service's key": (t) =>
      delete first(t, 'DynamoDB::Table').Properties.SSESpecification.KMSMasterKeyId,
    'dead letters with the key of S3': (t) => delete one(t, 'S3::Bucket', /DeadLetters/).Properties.BucketEncryption,
    'notices in clear': (t) => delete one(t, 'SQS::Queue').Properties.KmsMasterKeyId,
    'alarms in clear': (t) => delete one(t, 'SNS::Topic').Properties.KmsMasterKeyId,
    'logs in clear': (t) => delete first(t, 'Logs::LogGroup').Properties.KmsKeyId,
    'a secret with the key of the service': (t) => delete first(t, 'SecretsManager::Secret').Properties.KmsKeyId,
  },
};

export const keyIsGuarded: Guarantee = {
  problems: (template) => {
    const aliased = resourcesOf(template, 'AWS::KMS::Alias').map(([, { Properties }]) =>
      referred(Properties.TargetKeyId),
    );
    return resourcesOf(template, 'AWS::KMS::Key').flatMap(([id, { Properties }]) => [
      ...(Properties.EnableKeyRotation === true ? [] : [`${id} does not rotate`]),
      ...(aliased.includes(id) ? [] : [`${id} has no alias`]),
      ...listed<Statement>(Properties.KeyPolicy.Statement)
        .filter(({ Principal, Condition }) => Principal.Service !== undefined && Condition === undefined)
        .map(({ Sid }) => `${id} lets a service in without a condition: ${Sid}`),
      ...listed<Statement>(Properties.KeyPolicy.Statement)
        .filter(({ Principal }) => Principal === '*' || Principal.AWS === '*')
        .map(({ Sid }) => `${id} lets anybody in: ${Sid}`),
    ]);
  },
  faults: {
    'it does not rotate': (t) => delete one(t, 'KMS::Key').Properties.EnableKeyRotation,
    'it has no alias': (t) => remove(t, 'KMS::Alias'),
    'a service without a condition': (t) => delete one(t, 'KMS::Key').Properties.KeyPolicy.Statement[1].Condition,
    anybody: (t) => (one(t, 'KMS::Key').Properties.KeyPolicy.Statement[0].Principal = { AWS: '*' }),
  },
};

export const secretsAreMade: Guarantee = {
  problems: (template) => {
    const secrets = resourcesOf(template, 'AWS::SecretsManager::Secret');
    return [
      ...(secrets.length === 2 ? [] : [`${secrets.length} secrets`]),
      ...secrets
        .filter(([, { Properties }]) => {
          const { PasswordLength, ExcludePunctuation, IncludeSpace } = Properties.GenerateSecretString ?? {};
          return !(PasswordLength === 40 && ExcludePunctuation === true && IncludeSpace !== true);
        })
        .map(([id]) => `${id} is not 40 letters and digits`),
    ];
  },
  faults: {
    'short ones': (t) => (first(t, 'SecretsManager::Secret').Properties.GenerateSecretString.PasswordLength = 8),
    'with punctuation': (t) =>
      delete first(t, 'SecretsManager::Secret').Properties.GenerateSecretString.ExcludePunctuation,
    'one for both': (t) => remove(t, 'SecretsManager::Secret', /ReadToken/),
  },
};
