import { expect, test } from 'vitest';
import { readerOf } from '../../tests/listed-reads.ts';
import { answer } from '../pipeline.ts';
import type { BadEvent, Replay } from '../store/event-store.ts';

const AT = '2026-11-23T10:00:00.000Z';

/** The bytes set aside that the export of a person has. */
async function exportedOf(id: string, bad: readonly BadEvent[]): Promise<readonly string[]> {
  const payloads: string[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const parameters: Record<string, string> = cursor === '' ? {} : { cursor };
    const { status, body } = await answer(
      { path: `/api/v1/users/${id}/export`, parameters },
      {
        reader: readerOf({ bad, links: [{ source: 'default', visitor: id, userId: id }] }),
        clock: () => Date.parse(AT),
        log: async () => ({ records: [], findings: [] }),
        report: (fault) => {
          throw fault;
        },
      },
    );
    expect(status, body).toBe(200);
    const page = JSON.parse(body) as {
      readonly lines: readonly { readonly kind: string; readonly payload: string }[];
      readonly cursor: string | null;
    };
    payloads.push(...page.lines.filter(({ kind }) => kind === 'bad').map(({ payload }) => payload));
    cursor = page.cursor;
  }
  return payloads;
}

const badOf = (payload: string, index: number, replay?: Replay): BadEvent => ({
  position: { lane: 'l', sequence: 1n, index },
  ...{ source: 'default', receivedAt: AT, code: 'type_missing', detail: '', payload },
  ...(replay && { replay }),
});

test('an export has what was set aside of the person, and nothing of others that mentions the id', async () => {
  const many = Array.from({ length: 3_000 }, (_, index) => index + 2);
  const own = [
    '{"type":"track","userId":"1"}',
    '{"type":"track","userId":1,"properties":{"note":"own"}}',
    JSON.stringify({ properties: { many }, anonymousId: '1' }),
    JSON.stringify({ properties: { many, who: '1' } }),
  ];
  const others = [
    '{"type":"track","userId":"heidi","properties":{"email":"heidi@example.com","quantity":1}}',
    '{"type":"track","userId":"ivan","properties":{"email":"ivan@example.com","sku":"1"}}',
  ];
  const bad = [...own, ...others].map((payload, index) => badOf(payload, index));
  expect(new Set(await exportedOf('1', bad))).toEqual(new Set(own));
});

test('an export has what was put back as the person, before and after it lies in the log', async () => {
  const replay = { at: AT, edit: 'digest', visitor: 'device', line: '{"userId":"grace","anonymousId":"device"}' };
  const claimed = badOf('{"note":"claimed"}', 0, { ...replay, position: undefined });
  const lying = { ...replay, line: undefined, position: { lane: 'l', sequence: 2n } };
  const appended = badOf('{"note":"appended"}', 1, lying);
  expect(await exportedOf('grace', [claimed, appended])).toEqual(['{"note":"claimed"}']);
  expect(await exportedOf('device', [claimed, appended])).toHaveLength(2);
});
