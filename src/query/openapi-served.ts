import { METRICS_TYPE } from './metrics.ts';
import type { Operation } from './openapi.ts';
import { schemaOf } from './openapi-schemas.ts';
import type { Parameter } from './parameters.ts';

const JSON_TYPE = 'application/json';

const FILE: Parameter<string> = {
  allowed: 'a name that the page has under /assets/',
  schema: { type: 'string' },
  read: (value) => value,
};

/** What the readers' side of the HTTP server serves beside the API. `http.ts` has a reply for each. */
export const SERVED = [
  {
    method: 'get',
    path: '/',
    name: 'dashboard',
    tag: 'read',
    summary: 'The dashboard',
    open: 'to the right host',
    answers: {
      200: { description: 'HTML.', type: 'text/html; charset=utf-8', schema: { type: 'string' } },
      503: { description: 'It was not built.', type: 'text/html; charset=utf-8', schema: { type: 'string' } },
    },
    errors: [],
  },
  {
    method: 'get',
    path: '/assets/{file}',
    name: 'asset',
    tag: 'read',
    summary: 'A script, style or picture of the dashboard',
    open: 'to the right host',
    inPath: { file: FILE },
    answers: { 200: { description: 'It never changes.', type: '*/*', schema: { type: 'string' } } },
    errors: ['not_found'],
  },
  {
    method: 'get',
    path: '/health',
    name: 'health',
    tag: 'operate',
    summary: 'Whether the process is alive',
    open: 'to all',
    answers: { 200: { description: 'It is.', type: JSON_TYPE, schema: schemaOf('Health') } },
    errors: [],
  },
  {
    method: 'get',
    path: '/ready',
    name: 'ready',
    tag: 'operate',
    summary: 'Whether it is able to take and to process events',
    open: 'to all',
    answers: {
      200: { description: 'It is.', type: JSON_TYPE, schema: schemaOf('Readiness') },
      503: { description: 'It is not, and why.', type: JSON_TYPE, schema: schemaOf('Readiness') },
    },
    errors: [],
  },
  {
    method: 'get',
    path: '/metrics',
    name: 'metrics',
    tag: 'operate',
    summary: 'Metrics for Prometheus',
    open: 'to readers',
    answers: { 200: { description: 'Text exposition format.', type: METRICS_TYPE, schema: { type: 'string' } } },
    errors: [],
  },
  {
    method: 'get',
    path: '/openapi.json',
    name: 'document',
    tag: 'operate',
    summary: 'This document',
    open: 'to all',
    answers: { 200: { description: 'OpenAPI 3.1.', type: JSON_TYPE, schema: { type: 'object' } } },
    errors: ['query_unavailable'],
  },
] as const satisfies readonly Operation[];
