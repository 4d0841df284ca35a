/** Questions to the server that this page is from. */
import { visible } from './format.ts';

const TOKEN = 'clickstream read token';

/** A refusal (RFC 9457), or no answer at all. `message` is a sentence to show; `code` is stable, and empty where no server answered. */
export class Refusal extends Error {
  readonly code: string;
  /** Zero where no server answered. */
  readonly status: number;
  readonly cure: string;

  constructor(
    message: string,
    told: { readonly code?: string; readonly status?: number; readonly cure?: string } = {},
  ) {
    super(message);
    this.code = told.code ?? '';
    this.status = told.status ?? 0;
    this.cure = told.cure ?? '';
  }
}

/** Whether a token is to be asked for, and whether because the one that was given is wrong. */
export type TokenNeed = 'none' | 'missing' | 'wrong';

/** It lives as long as the tab does; where the browser keeps nothing for the page, as long as the page. */
let token = keptToken();
const listeners = new Set<(need: TokenNeed) => void>();

function keptToken(): string | null {
  try {
    return sessionStorage.getItem(TOKEN);
  } catch {
    return null;
  }
}

function setToken(given: string | null): void {
  token = given;
  try {
    if (given === null) sessionStorage.removeItem(TOKEN);
    else sessionStorage.setItem(TOKEN, given);
  } catch {
    // It is asked for again after a reload.
  }
}

/** Told when a token is asked for, and when one was given. Returns what ends that. */
export function onTokenNeed(listener: (need: TokenNeed) => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function giveToken(given: string): void {
  // No header takes anything else, as what comes along when it is copied from a text.
  if (!/^[\x21-\x7e]+$/.test(given)) {
    askForToken('wrong');
    return;
  }
  setToken(given);
  for (const listener of listeners) listener('none');
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
  let response: Response | undefined;
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
    if (response !== undefined && error instanceof SyntaxError) {
      const { status } = response;
      throw new Refusal(`What answered was not the program (HTTP ${status}).`, { status });
    }
    throw new Refusal(patience.aborted ? 'The server does not answer in time.' : 'The server does not answer.');
  }
  if (response.ok) return answer as Answer;
  if (response.status === 401) {
    // Of several questions under way only the first says that the token was wrong, and none what became of one given since.
    if (token !== null && sent !== token) return ask(path, question);
    if (sent === token) askForToken(sent === null ? 'missing' : 'wrong');
  }
  throw new Refusal(String(answer.detail ?? `The server answered ${response.status}.`), {
    code: String(answer.code ?? ''),
    status: response.status,
    cure: String(answer.cure ?? ''),
  });
}

function askForToken(need: TokenNeed): void {
  setToken(null);
  for (const listener of listeners) listener(need);
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
  // A refusal may have in it what a tracker sent.
  return visible(error instanceof Error ? error.message : String(error));
}
