import { useEffect, useRef, useState } from 'preact/hooks';
import type { PersonExport } from '../answers.ts';
import { ask, pathOf, wordsOf } from '../api.ts';
import { count } from '../format.ts';

const LINES_A_PAGE = 1_000;

/** All that is stored of a person, as a file of one JSON object a line. */
export function Export({ id }: { readonly id: string }) {
  const [told, setTold] = useState('');
  const [isUnderWay, setUnderWay] = useState(false);
  const underWay = useRef<AbortController>(undefined);
  useEffect(() => () => underWay.current?.abort(), []);
  const start = async () => {
    underWay.current = new AbortController();
    const { signal } = underWay.current;
    setUnderWay(true);
    setTold('Reading…');
    try {
      const lines = await readAll(id, { signal, onProgress: (so) => setTold(`${count(so, 'line')} so far…`) });
      save(lines, `clickstream-${id.replaceAll(/[^\w.-]+/g, '_')}.ndjson`);
      setTold(`${count(lines.length, 'line')} saved.`);
    } catch (error) {
      setTold(signal.aborted ? 'Stopped; nothing was saved.' : `It broke off: ${wordsOf(error)}`);
    }
    setUnderWay(false);
  };
  return (
    <>
      <button type="button" class="quiet" onClick={isUnderWay ? () => underWay.current?.abort() : start}>
        {isUnderWay ? 'Stop the export' : 'Export everything'}
      </button>
      <span class="soft" role="status">
        {told}
      </span>
    </>
  );
}

async function readAll(
  id: string,
  { signal, onProgress }: { readonly signal: AbortSignal; readonly onProgress: (lines: number) => void },
): Promise<readonly string[]> {
  const lines: string[] = [];
  let cursor: string | undefined;
  do {
    const path = pathOf(`/api/v1/users/${encodeURIComponent(id)}/export`, { limit: LINES_A_PAGE, cursor });
    const page = await ask<PersonExport>(path, { signal });
    for (const line of page.lines) lines.push(`${JSON.stringify(line)}\n`);
    onProgress(lines.length);
    cursor = page.cursor ?? undefined;
  } while (cursor !== undefined);
  return lines;
}

function save(lines: readonly string[], name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([...lines], { type: 'application/x-ndjson' }));
  link.download = name;
  link.click();
  // The browser has taken hold of it by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
