import { ClickstreamError } from '../core/errors.ts';
import { shown } from '../core/event.ts';
import { isObject, type JsonObject } from '../core/json.ts';
import { readJson } from '../core/read-json.ts';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The body of a POST of the API; no byte at all says as much as `{}`. Throws `body_not_json` and `body_not_object`. */
export function readJsonBody(body: Uint8Array, allowed: string): JsonObject {
  if (body.length === 0) return {};
  let said: unknown;
  try {
    said = readJson(utf8.decode(body));
  } catch (cause) {
    throw new ClickstreamError('body_not_json', undefined, { cause });
  }
  if (!isObject(said)) throw new ClickstreamError('body_not_object', `the body must be ${allowed}, got ${shown(said)}`);
  return said;
}
