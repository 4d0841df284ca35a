import { useEffect, useRef, useState } from 'preact/hooks';
import type { BadReplays } from '../answers.ts';
import { ask, wordsOf } from '../api.ts';
import {
  ANY_TYPE,
  addPiece,
  isAskedAgain,
  NOTHING_REPLAYED,
  type ReplaySum,
  replaySumWords,
  type SomeBad,
} from '../bad-kinds.ts';
import { count, visible, whole } from '../format.ts';
import { Dialog } from '../parts/dialog.tsx';

/** Puts back all of a kind that wait, once it was said how many that are. */
export function ReplayAll({ kind, onDone }: { readonly kind: SomeBad; readonly onDone: () => void }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <p class="buttons">
      <button type="button" onClick={() => setOpen(true)}>
        Put back all…
      </button>
      {isOpen && <Ask kind={kind} onDone={onDone} onClose={() => setOpen(false)} />}
    </p>
  );
}

type Stage = 'counting' | 'asking' | 'putting' | 'done';

function Ask({
  kind,
  onDone,
  onClose,
}: {
  readonly kind: SomeBad;
  readonly onDone: () => void;
  readonly onClose: () => void;
}) {
  const [stage, setStage] = useState<Stage>('counting');
  const [sum, setSum] = useState(NOTHING_REPLAYED);
  const [trouble, setTrouble] = useState('');
  const closed = useRef(new AbortController());
  const go = async (isDry: boolean) => {
    const { signal } = closed.current;
    setStage(isDry ? 'counting' : 'putting');
    setSum(NOTHING_REPLAYED);
    try {
      setSum(await replayAll(kind, { isDry, signal, onProgress: setSum }));
    } catch (error) {
      if (!signal.aborted) setTrouble(`None was put back: ${wordsOf(error)}`);
    }
    if (signal.aborted) return;
    setStage(isDry ? 'asking' : 'done');
    if (!isDry) onDone();
  };
  // It is counted once, when it is opened.
  useEffect(() => {
    void go(true);
    return () => closed.current.abort();
  }, []);
  const close = () => {
    if (stage === 'putting') onDone();
    onClose();
  };
  return (
    <Dialog title="Put back all that wait?" onClose={close}>
      {kind.type === undefined && <p>They are {ANY_TYPE}.</p>}
      <p role="status">{trouble || wordsAt(stage, sum)}</p>
      {sum.refusals.length > 0 && <Refusals sum={sum} />}
      {stage === 'asking' && trouble === '' && sum.replayed > 0 && (
        <p class="soft">
          Each goes as it came, and is checked by what holds now: what does not fit its schema comes back to this list.
          None goes twice.
        </p>
      )}
      <p class="buttons">
        {stage === 'asking' && trouble === '' && sum.replayed > 0 && (
          <button type="button" onClick={() => go(false)}>
            Put back {whole(sum.replayed)}
          </button>
        )}
        <button type="button" class="quiet" onClick={close}>
          {stage === 'done' ? 'Close' : stage === 'putting' ? 'Stop' : 'Leave them'}
        </button>
      </p>
    </Dialog>
  );
}

function wordsAt(stage: Stage, sum: ReplaySum): string {
  switch (stage) {
    case 'counting':
      return `Counting: ${count(sum.replayed, 'event')} so far…`;
    case 'asking':
      return replaySumWords(sum, { isDry: true });
    case 'putting':
      return `${count(sum.replayed, 'event')} put back so far…`;
    case 'done':
      return replaySumWords(sum, { isDry: false });
  }
}

function Refusals({ sum: { refusals, refused } }: { readonly sum: ReplaySum }) {
  return (
    <ul class="refusals">
      {refusals.map(({ id, code, detail }) => (
        <li key={id}>
          <strong>{code}</strong> <bdi>{visible(detail)}</bdi> <span class="soft">{id}</span>
        </li>
      ))}
      {refused > refusals.length && <li class="soft">and {whole(refused - refusals.length)} more</li>}
    </ul>
  );
}

/** What the API does at the most for one question. */
const PIECE = 500;

/** Piece by piece until there are no more; one that the server ended early is asked for again. Rejects when not even the first could be put back. */
async function replayAll(
  { code, type, source }: SomeBad,
  how: { readonly isDry: boolean; readonly signal: AbortSignal; readonly onProgress: (sum: ReplaySum) => void },
): Promise<ReplaySum> {
  const { isDry, signal, onProgress } = how;
  let sum = NOTHING_REPLAYED;
  let cursor: string | undefined;
  for (;;) {
    try {
      const body = { code, type, source, limit: PIECE, cursor, dryRun: isDry };
      const piece = await ask<BadReplays>('/api/v1/bad/replay', { method: 'POST', body, signal });
      sum = addPiece(sum, piece);
      onProgress(sum);
      if (isAskedAgain(piece)) continue;
      if (piece.stopped !== null) return { ...sum, stopped: piece.stopped.detail };
      if (piece.cursor === null) return sum;
      cursor = piece.cursor;
    } catch (error) {
      if (signal.aborted || sum.replayed === 0) throw error;
      return { ...sum, stopped: wordsOf(error) };
    }
  }
}
