import { useEffect, useRef, useState } from 'preact/hooks';
import type { BadEvent, BadPage, BadReplayed } from '../answers.ts';
import { ask, hasToken, pathOf, Refusal, wordsOf } from '../api.ts';
import { replayedWords, replayOneCommand } from '../bad-kinds.ts';
import { bytes, moment, visible } from '../format.ts';
import { Copy } from '../parts/copy.tsx';
import { hrefOf } from '../router.ts';
import { escapedJson, indentedJson, isObject, readJson } from '../sent-json.ts';

/** What stands in the place of the details of one of which the person was erased. */
const ERASED_DETAIL = 'erased';

export function isErased({ detail }: BadEvent): boolean {
  return detail === ERASED_DETAIL;
}

/** What was decided to be put back, and is not known to lie in the log, waits still. */
export function isPutBack({ replay }: BadEvent): boolean {
  return replay !== null && replay.position !== null;
}

/** All of an event that was set aside, and the way back for it. `onChange` is given it anew once it was put back. */
export function BadBody({ bad, onChange }: { readonly bad: BadEvent; readonly onChange: (bad: BadEvent) => void }) {
  return (
    <div class="bad-body">
      <Facts bad={bad} />
      <Trail bad={bad} />
      {isErased(bad) ? (
        <p>Its bytes were erased with their person; its place, and that it came, stay.</p>
      ) : (
        <>
          <Payload text={bad.payload} />
          <WayBack bad={bad} onChange={onChange} />
        </>
      )}
    </div>
  );
}

function Facts({ bad: { id, code, detail, source, eventType, receivedAt, position } }: { readonly bad: BadEvent }) {
  const facts = [
    ['Reason', code],
    ['What was wrong', detail],
    ['Type', eventType ?? 'none that could be read'],
    ['Source', source],
    ['Arrived', moment(receivedAt)],
    ['Where', `${position.lane}/${position.sequence}, event ${position.index}`],
  ] as const;
  return (
    <dl>
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            <bdi>{visible(value)}</bdi>
          </dd>
        </div>
      ))}
      <div>
        <dt>Id</dt>
        <dd>
          <a href={hrefOf({ page: 'bad', item: id })}>{id}</a>
        </dd>
      </div>
    </dl>
  );
}

/** Where it came from, and where it went. */
function Trail({ bad: { replayOf, replay } }: { readonly bad: BadEvent }) {
  return (
    <>
      {replayOf !== null && (
        <p>
          Put back once, and set aside again: it came from{' '}
          <a href={hrefOf({ page: 'bad', item: replayOf })}>{replayOf}</a>.
        </p>
      )}
      {replay !== null && (
        <p>
          Put back on {moment(replay.at)},{' '}
          {replay.edit === null ? (
            'as it came'
          ) : (
            <>
              edited (SHA-256 <code>{replay.edit.slice(0, 12)}</code>)
            </>
          )}
          {replay.position === null
            ? '; whether it lies in the log is not known: put it back once more.'
            : `, to ${replay.position.lane}/${replay.position.sequence}.`}
        </p>
      )}
    </>
  );
}

function Payload({ text }: { readonly text: string }) {
  const [indented, setIndented] = useState('');
  useEffect(() => void indentedJson(text).then(setIndented), [text]);
  return (
    <>
      <p class="buttons">
        <Copy text={text}>Copy its bytes</Copy>
        <span class="soft">{bytes(new TextEncoder().encode(text).length)}, as they came</span>
      </p>
      <pre tabIndex={0}>{escapedJson(indented)}</pre>
    </>
  );
}

interface Told {
  readonly words: string;
  readonly isTrouble: boolean;
  /** Where it was set aside anew. */
  readonly anew?: string | undefined;
}

function WayBack({ bad, onChange }: { readonly bad: BadEvent; readonly onChange: (bad: BadEvent) => void }) {
  const [told, setTold] = useState<Told>();
  const [isAsked, setAsked] = useState(false);
  const gone = useRef(new AbortController());
  useEffect(() => () => gone.current.abort(), []);
  const put = async (event: unknown) => {
    setAsked(true);
    setTold(undefined);
    try {
      const answer = await ask<BadReplayed>(`${pathOfBad(bad.id)}/replay`, { method: 'POST', body: { event } });
      const words = { words: replayedWords(answer), isTrouble: false };
      setTold(words);
      await follow(bad, { signal: gone.current.signal, onChange, onAnew: (anew) => setTold({ ...words, anew }) });
    } catch (error) {
      setTold({ words: refusalOf(error), isTrouble: true });
    }
    setAsked(false);
  };
  return (
    <>
      {!isPutBack(bad) && <PutBack bad={bad} isAsked={isAsked} onPut={put} />}
      <div role="status">
        {told !== undefined && (
          <p class={told.isTrouble ? 'trouble' : undefined}>
            {told.words}
            {told.anew !== undefined && (
              <>
                {' '}
                <strong>It was set aside again</strong>, as{' '}
                <a href={hrefOf({ page: 'bad', item: told.anew })}>{told.anew}</a>.
              </>
            )}
          </p>
        )}
      </div>
    </>
  );
}

function pathOfBad(id: string): string {
  return `/api/v1/bad/${encodeURIComponent(id)}`;
}

function refusalOf(error: unknown): string {
  const cure = error instanceof Refusal ? error.cure : '';
  return `Not put back. ${wordsOf(error)}${/[.!?]$/.test(wordsOf(error)) ? '' : '.'} ${cure}`.trim();
}

/** On one machine it is processed within a second by then. */
const FOLLOW_MS = 2_000;
const LOOKED_THROUGH = 100;

/** What became of one that was put back. It is put back whether or not that can be seen. */
async function follow(
  { id, source }: BadEvent,
  told: {
    readonly signal: AbortSignal;
    readonly onChange: (bad: BadEvent) => void;
    readonly onAnew: (id: string) => void;
  },
): Promise<void> {
  const { signal, onChange, onAnew } = told;
  try {
    onChange(await ask<BadEvent>(pathOfBad(id), { signal }));
    await new Promise((resolve) => setTimeout(resolve, FOLLOW_MS));
    const { bad } = await ask<BadPage>(pathOf('/api/v1/bad', { source, limit: LOOKED_THROUGH }), { signal });
    const anew = bad.find(({ replayOf }) => replayOf === id);
    if (anew !== undefined) onAnew(anew.id);
  } catch {
    // The list shows it once it is read again.
  }
}

/** As it came, or with something else in its place, which is looked at before it is sent. */
function PutBack({
  bad,
  isAsked,
  onPut,
}: {
  readonly bad: BadEvent;
  readonly isAsked: boolean;
  readonly onPut: (event: unknown) => Promise<void>;
}) {
  const [edit, setEdit] = useState<string>();
  const [fault, setFault] = useState('');
  const begin = async () => setEdit(escapedJson(await indentedJson(bad.payload)));
  const send = async (event: SubmitEvent) => {
    event.preventDefault();
    const read = await readJson(edit ?? '');
    const found =
      'fault' in read
        ? `This is no JSON: ${read.fault}`
        : isObject(read.value)
          ? ''
          : 'An event is a JSON object: { … }';
    setFault(found);
    if (found === '' && 'value' in read) await onPut(read.value);
  };
  if (edit === undefined) {
    return (
      <>
        <p class="buttons">
          <button type="button" disabled={isAsked} onClick={() => onPut(undefined)}>
            Put back as it came
          </button>
          <button type="button" class="quiet" disabled={isAsked} onClick={begin}>
            Edit…
          </button>
        </p>
        <CommandLine text={replayOneCommand(bad, { origin: location.origin, hasToken: hasToken() })} />
      </>
    );
  }
  return (
    <form onSubmit={send}>
      <label for={`edit-${bad.id}`}>What comes in its place, as JSON</label>
      <textarea
        id={`edit-${bad.id}`}
        value={edit}
        rows={Math.min(24, edit.split('\n').length + 1)}
        dir="ltr"
        spellcheck={false}
        aria-invalid={fault !== ''}
        aria-describedby={`fault-${bad.id}`}
        onInput={({ currentTarget }) => setEdit(currentTarget.value)}
      />
      <p class="trouble" role="alert" id={`fault-${bad.id}`}>
        {fault}
      </p>
      <p class="buttons">
        <button type="submit" disabled={isAsked}>
          Put back edited
        </button>
        <button type="button" class="quiet" onClick={() => setEdit(undefined)}>
          Leave it
        </button>
      </p>
    </form>
  );
}

/** The same for a terminal. */
export function CommandLine({ text }: { readonly text: string }) {
  return (
    <details class="command">
      <summary>The same from a terminal</summary>
      <pre tabIndex={0}>{text}</pre>
      <Copy text={text}>{text.includes('\n') ? 'Copy the lines' : 'Copy the line'}</Copy>
    </details>
  );
}
