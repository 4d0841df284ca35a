/**
 * Every error that leaves the program, by its stable code: the HTTP status, whether sending the same again can help,
 * what it means and what cures it. `docs/errors.md` is kept equal to this table by a test.
 */
export const ERRORS = {
  body_not_json: {
    status: 400,
    retriable: false,
    meaning: 'The request body is not JSON in UTF-8.',
    cure: 'Send a JSON object with Content-Type application/json.',
  },
  body_not_object: {
    status: 400,
    retriable: false,
    meaning: 'The request body is JSON, but not an object.',
    cure: 'Send one event as an object, or several as {"batch": [...]} to /v1/batch.',
  },
  batch_missing: {
    status: 400,
    retriable: false,
    meaning: 'A batch request has no array named "batch".',
    cure: 'Send {"batch": [event, ...]}.',
  },
  batch_too_long: {
    status: 400,
    retriable: false,
    meaning: 'A batch holds more events than batchEventsMax.',
    cure: 'Send smaller batches.',
  },
  batch_context_invalid: {
    status: 400,
    retriable: false,
    meaning:
      "The batch's context is no object, is nested too deep, or would be too large once each of its events has it.",
    cure: 'Send what belongs to one event in the context of that event.',
  },
  body_encoding_unsupported: {
    status: 415,
    retriable: false,
    meaning: 'The Content-Encoding is not one the collector reads.',
    cure: 'Use gzip, deflate, br, zstd or no encoding.',
  },
  body_encoding_broken: {
    status: 400,
    retriable: false,
    meaning: 'The body could not be decompressed as its Content-Encoding says.',
    cure: 'Check that the body is compressed once, whole, and with the encoding named.',
  },
  body_too_large: {
    status: 413,
    retriable: false,
    meaning:
      'The body is larger than bodyBytesMax, before or after decompression, or expands by more than its allowed ratio.',
    cure: 'Send smaller batches.',
  },
  body_incomplete: {
    status: 400,
    retriable: true,
    meaning: 'The connection ended before the whole body arrived.',
    cure: 'Send it again.',
  },
  request_timeout: {
    status: 408,
    retriable: true,
    meaning: 'The whole request did not arrive within requestMsMax.',
    cure: 'Send it again.',
  },
  request_malformed: {
    status: 400,
    retriable: false,
    meaning: 'What arrived is not an HTTP/1.1 request.',
    cure: 'Check that the client speaks plain HTTP/1.1 to this port.',
  },
  headers_too_large: {
    status: 431,
    retriable: false,
    meaning: 'The headers are larger than headerBytesMax.',
    cure: 'Send fewer or smaller headers; cookies are not needed.',
  },
  write_key_missing: {
    status: 401,
    retriable: false,
    meaning: 'The collector needs a write key and the request has none.',
    cure: 'Send the write key as the Basic user name, as a Bearer token, or as "writeKey" in the body.',
  },
  write_key_wrong: {
    status: 401,
    retriable: false,
    meaning: 'The write key is not one of those configured.',
    cure: 'Compare the key with the configuration (which holds its SHA-256), on AWS with the secret of the output WriteKeySecretArn.',
  },
  read_token_missing: {
    status: 401,
    retriable: false,
    meaning: 'Reading needs a token and the request has none.',
    cure: 'Send "Authorization: Bearer <read token>"; commands take it as --token, or from CLICKSTREAM_TOKEN.',
  },
  read_token_wrong: {
    status: 401,
    retriable: false,
    meaning: 'The read token is not the one configured.',
    cure: 'Compare the token with the configuration (which holds its SHA-256), on AWS with the secret of the output ReadTokenSecretArn.',
  },
  host_refused: {
    status: 403,
    retriable: false,
    meaning:
      'A server that is open to this machine alone was asked for by another host name, as a page that rebinds its DNS name would.',
    cure: 'Ask for localhost or 127.0.0.1, or configure a read token.',
  },
  not_found: {
    status: 404,
    retriable: false,
    meaning: 'Nothing is served at this path.',
    cure: 'See the list of endpoints in the README.',
  },
  receipt_unknown: {
    status: 404,
    retriable: false,
    meaning: 'The receipt is none that this server gave: mistyped, cut short, or of another installation.',
    cure: 'Send it as it was in the header Clickstream-Receipt, to the server that gave it.',
  },
  receipt_expired: {
    status: 410,
    retriable: false,
    meaning: 'The receipt is older than receiptDays: what became of its single events is no longer known.',
    cure: 'Ask earlier; what was stored is still in the lists of events, and the audit counts all of it.',
  },
  erasure_unknown: {
    status: 404,
    retriable: false,
    meaning: 'No erasure has this id, or what was asked for is nowhere in the log.',
    cure: 'Send the id as DELETE /api/v1/users/{id} answered it; or erase the person again.',
  },
  dead_unreadable: {
    status: 409,
    retriable: false,
    meaning: 'The dead record is damaged: no events can be read from it, so it cannot be put back.',
    cure: 'Look at its bytes at /api/v1/dead/{id}, and send what they tell of anew.',
  },
  still_bad: {
    status: 409,
    retriable: false,
    meaning:
      'An event that was set aside is still no valid event, as it came or as it was edited, and was not put back.',
    cure: 'Correct what the detail names, and send the event in the body as "event".',
  },
  record_unreadable: {
    status: 400,
    retriable: false,
    meaning: 'What an archive holds at this place is no record, or a damaged one; the others are not held up by it.',
    cure: 'Look at the file there; another copy of it may be whole.',
  },
  method_not_allowed: {
    status: 405,
    retriable: false,
    meaning: 'The path is served, but not with this method.',
    cure: 'Use the method that the Allow header names.',
  },
  content_type_unsupported: {
    status: 415,
    retriable: false,
    meaning: 'A POST of the API has another Content-Type than it takes, as a form on a page of another site would.',
    cure: 'Send it with the Content-Type that the detail names.',
  },
  parameter_invalid: {
    status: 400,
    retriable: false,
    meaning: 'A query parameter is unknown, or has a value that is not allowed.',
    cure: 'The detail names the parameter, the value got and the values allowed.',
  },
  cursor_invalid: {
    status: 400,
    retriable: false,
    meaning: 'The cursor was not made by this endpoint.',
    cure: 'Pass the cursor of the page before unchanged, or none.',
  },
  log_unavailable: {
    status: 503,
    retriable: true,
    meaning: 'The log cannot be written (a full disk, a failing device): nothing of the request was accepted.',
    cure: 'Free space or mend the device; senders try again by themselves, and work goes on with no restart.',
  },
  overloaded: {
    status: 503,
    retriable: true,
    meaning: 'More is waiting to be written or processed than the limits allow: nothing of the request was accepted.',
    cure: 'Send again after Retry-After seconds.',
  },
  answer_too_large: {
    status: 400,
    retriable: false,
    meaning:
      'The answer is larger than the load balancer of AWS passes on, also when it is compressed as the request allows.',
    cure: 'Ask for less: a smaller limit, or a shorter range; or send "Accept-Encoding: gzip".',
  },
  keys_unavailable: {
    status: 503,
    retriable: true,
    meaning: 'The secret with the write key or read token cannot be read: nothing of the request was accepted.',
    cure: 'Send again after Retry-After seconds; should it last, look for what keeps the function from its secret.',
  },
  salt_unavailable: {
    status: 503,
    retriable: true,
    meaning:
      'An event without any id wants one of the day, and the salt of that day cannot be read or written now: nothing of the request was accepted.',
    cure: 'Send again after Retry-After seconds; should it last, look for what keeps the server from its data folder, on AWS the function from its table.',
  },
  query_unavailable: {
    status: 503,
    retriable: true,
    meaning: 'The query worker, or the tables of AWS, did not answer in time, or too many queries are waiting.',
    cure: 'Ask again; ask for less at once.',
  },
  shutting_down: {
    status: 503,
    retriable: true,
    meaning: 'The server is stopping.',
    cure: 'Send again after Retry-After seconds.',
  },
  internal: {
    status: 500,
    retriable: true,
    meaning: 'A fault of the program.',
    cure: 'Report it with the message in the server log.',
  },
  config_invalid: {
    status: 500,
    retriable: false,
    meaning: 'The configuration or a command-line option is not valid.',
    cure: 'The detail names the setting, the value got and the values allowed.',
  },
  open_without_keys: {
    status: 500,
    retriable: false,
    meaning: 'The server was asked to listen beyond this machine without write keys and a read token.',
    cure: 'Configure writeKeys and readTokens, or listen on 127.0.0.1.',
  },
  address_unavailable: {
    status: 500,
    retriable: false,
    meaning: 'The address and port cannot be listened on.',
    cure: 'Stop what uses it, or choose another with --port.',
  },
  data_in_use: {
    status: 500,
    retriable: false,
    meaning: 'Another process serves from this data folder.',
    cure: 'Stop it first, or use another folder with --data.',
  },
  data_format_newer: {
    status: 500,
    retriable: false,
    meaning: 'The data folder was written by a newer version; nothing in it was touched.',
    cure: 'Run the newer version, or use another folder with --data.',
  },
  view_unknown: {
    status: 404,
    retriable: false,
    meaning: 'No view has this name.',
    cure: 'See `clickstream rebuild`, or GET /api/v1/rebuilds, which list the views.',
  },
  views_newer: {
    status: 500,
    retriable: true,
    meaning:
      'A newer version of the program counts the statistics of this store, and this one would count them wrong; nothing was changed.',
    cure: 'Run the newer version again. To go back for good, raise the version of the views that the detail names above the newer one (docs/deploy.md).',
  },
  data_unusable: {
    status: 500,
    retriable: false,
    meaning: 'The data folder cannot be read or written, or is not one of clickstream.',
    cure: 'Check the path and its permissions.',
  },
  server_unreachable: {
    status: 503,
    retriable: true,
    meaning: 'No clickstream server answers at the URL.',
    cure: 'Start one with "npm start", or name the right one with --url.',
  },
} as const satisfies Record<string, ErrorDefinition>;

interface ErrorDefinition {
  readonly status: number;
  readonly retriable: boolean;
  readonly meaning: string;
  readonly cure: string;
}

export type ErrorCode = keyof typeof ERRORS;

/** The one error class of the program: a code of the table, and a message with what was got and what is allowed. */
export class ClickstreamError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, detail?: string, options?: { readonly cause?: unknown }) {
    super(detail ?? ERRORS[code].meaning, options);
    this.name = 'ClickstreamError';
    this.code = code;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }

  get retriable(): boolean {
    return ERRORS[this.code].retriable;
  }

  get cure(): string {
    return ERRORS[this.code].cure;
  }
}

/** An RFC 9457 problem document; `type` names the error and leads nowhere; the page is docs/errors.md. */
export function problemOf(error: ClickstreamError): {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly code: ErrorCode;
  readonly cure: string;
} {
  const { code, status, message, cure } = error;
  return { type: `urn:clickstream:error:${code}`, title: ERRORS[code].meaning, status, detail: message, code, cure };
}

/** Any thrown value as an error of the table; what is unknown is `internal`. */
export function asClickstreamError(thrown: unknown): ClickstreamError {
  if (thrown instanceof ClickstreamError) return thrown;
  return new ClickstreamError('internal', thrown instanceof Error ? thrown.message : String(thrown), { cause: thrown });
}
