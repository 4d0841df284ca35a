/** Questions to the server that this page is from. */

const TOKEN = 'clickstream read token';

/** A refusal (RFC 9457), or no answer at all. `message` is a sentence to show; `code` is stable, and empty where no server answered. */
export class Refusal extends Error {
  readonly code: string;
  readonly status: number;
  readonly cure: string;

  constructor(message: string, told: { readonly code?: string; readonly status?: number; readonly cure?: string } = {}) {
    super(message);
    this.code = told.code ?? '';
    this.status = told.status ?? 0;
    this.cure = told.cure ?? '';
  }
}

/** Of the token, which lives as long as the tab does. */
let token = sessionStorage.getItem(TOKEN);
const listeners = new Set<(isNeeded: boolean) => void>();

/** Told when a token is asked for, and when one was given. */
export function onTokenNeeded(listener: (isNeeded: boolean) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function giveToken(given: string): void {
  token = given;
  sessionStorage.setItem(TOKEN, given);
  for (const listener of listeners) listener(false);
}

export function hasToken(): boolean {
  return token !== null;
}

export interface Question {
  readonly method?: 'GET' | 'POST' | 'DELETE';
  /** Sent as JSON. */
  readonly body?: unknown;
  /** @default 35 s, which is longer than the server takes before it says that it took too long */
  readonly patienceMs?: number;
  readonly signal?: AbortSignal;
}

/** The answer's JSON. Rejects with a Refusal; with an AbortError once `signal` says so. */
export async function ask<Answer>(path: string, question: Question = {}): Promise<Answer> {
  const { method = 'GET', body, patienceMs = 35_000, signal } = question;
  const sent = token;
  const patience = AbortSignal.timeout(patienceMs);
  let response: Response;
  let answer: { readonly [name: string]: unknown };
  try {
    response = await fetch(path, {
      method,
      cache: 'no-store',
      signal: signal === undefined ? patience : AbortSignal.any([signal, patience]),
      headers: {
        ...(sent !== null && { Authorization: `Bearer ${sent}` }),
        ...(body !== undefined && { 'Content-Type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    answer = await response.json();
  } catch (error) {
    if (signal?.aborted === true) throw error;
    throw new Refusal('The server does not answer.');
  }
  if (response.ok) return answer as Answer;
  // Of two questions under way only the first says that the token was wrong.
  if (response.status === 401 && sent === token) forgetToken();
  throw new Refusal(String(answer.detail ?? `The server answered ${response.status}.`), {
    code: String(answer.code ?? ''),
    status: response.status,
    cure: String(answer.cure ?? ''),
  });
}

function forgetToken(): void {
  token = null;
  sessionStorage.removeItem(TOKEN);
  for (const listener of listeners) listener(true);
}

/** A path with its parameters; those that are undefined or empty are left out. */
export function pathOf(path: string, parameters: Readonly<Record<string, string | number | undefined>> = {}): string {
  const given = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== '') given.set(name, String(value));
  }
  return given.size === 0 ? path : `${path}?${given}`;
}

/** A sentence for whatever was thrown. */
export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
