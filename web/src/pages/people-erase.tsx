import { useEffect, useRef, useState } from 'preact/hooks';
import type { Erasure, ErasureAsked, Person } from '../answers.ts';
import { ask, wordsOf } from '../api.ts';
import { count, moment, visible, whole } from '../format.ts';
import { Card } from '../parts/card.tsx';
import { Dialog } from '../parts/dialog.tsx';
import { usePoll } from '../poll.ts';
import { go } from '../router.ts';

export function Erase({ id }: { readonly id: string }) {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <button type="button" class="danger" onClick={() => setOpen(true)}>
        Erase…
      </button>
      {isOpen && <Confirm id={id} onClose={() => setOpen(false)} />}
    </>
  );
}

function Confirm({ id, onClose }: { readonly id: string; readonly onClose: () => void }) {
  const path = `/api/v1/users/${encodeURIComponent(id)}`;
  const person = usePoll<Person>(`${path}/visitors`, { everyMs: 0 });
  const [typed, setTyped] = useState('');
  const [isAsked, setAsked] = useState(false);
  const [trouble, setTrouble] = useState('');
  const gone = useRef(new AbortController());
  useEffect(() => () => gone.current.abort(), []);
  const erase = async (event: SubmitEvent) => {
    event.preventDefault();
    setAsked(true);
    try {
      const asked = await ask<ErasureAsked>(path, { method: 'DELETE' });
      // Whoever went elsewhere meanwhile stays there.
      if (gone.current.signal.aborted) return;
      onClose();
      go({ page: 'people', item: id, parameters: { erasure: asked.id, more: asked.more ? '1' : undefined } });
    } catch (error) {
      setTrouble(wordsOf(error));
      setAsked(false);
    }
  };
  return (
    <Dialog title="Erase this person for good?" isHeld={isAsked} onClose={onClose}>
      <form class="erase" onSubmit={erase}>
        <p>
          All that happened until now of “<bdi>{visible(id)}</bdi>” <Taken person={person.answer} id={id} />: their
          events, what is kept of them between events, and the bytes of what was set aside. Whoever else used these
          devices loses it too.
        </p>
        <p>
          <strong>It cannot be undone.</strong> No replay brings it back. Counts in statistics stay; they name nobody.
          What they do from now on is new.
        </p>
        <p>
          <label for="typed">To go on, type the id</label>
          <input
            id="typed"
            value={typed}
            autoComplete="off"
            autocapitalize="off"
            spellcheck={false}
            onInput={({ currentTarget }) => setTyped(currentTarget.value)}
          />
        </p>
        {(trouble !== '' || person.trouble !== undefined) && (
          <p class="trouble" role="alert">
            {trouble || person.trouble}
          </p>
        )}
        <p class="buttons">
          <button type="submit" class="danger" disabled={(typed !== id && typed !== visible(id)) || isAsked}>
            Erase for good
          </button>
          <button type="button" class="quiet" disabled={isAsked} onClick={onClose}>
            Keep
          </button>
        </p>
      </form>
    </Dialog>
  );
}

/** What it takes, as far as that is known yet. The id itself is there once for each source. */
function Taken({ person, id }: { readonly person: Person | undefined; readonly id: string }) {
  if (person === undefined) return <>and of the devices linked to it</>;
  const devices = person.visitors.filter(({ visitor }) => visitor !== id);
  const sources = new Set(person.visitors.map(({ source }) => source));
  return (
    <>
      and of {devices.length === 0 ? 'no other device' : count(devices.length, 'linked device')}
      {person.more && ' (there are more: erase once more afterwards)'}, in {count(sources.size, 'source')}
    </>
  );
}

const FOLLOW_MS = 1_000;
const STATES = { asked: 'Asked for', applied: 'Applied, and not all gone yet', done: 'Done' } as const;

/** What was removed where, followed until nothing is scheduled any more. */
export function Certificate({
  id,
  of,
  isMore,
  onDone,
}: {
  readonly id: string;
  readonly of: string;
  /** The person had more devices than one erasure takes. */
  readonly isMore: boolean;
  readonly onDone: () => void;
}) {
  const [isDone, setDone] = useState(false);
  const path = `/api/v1/erasures/${encodeURIComponent(id)}`;
  const certificate = usePoll<Erasure>(path, { everyMs: isDone ? 0 : FOLLOW_MS });
  const state = certificate.answer?.state;
  const told = useRef(onDone);
  told.current = onDone;
  useEffect(() => {
    if (state === 'applied' || state === 'done') told.current();
    if (state === 'done') setDone(true);
  }, [state]);
  return (
    <Card title="Erasure" of={certificate} aside={<span class="id">{id}</span>}>
      <p class="verdict" role="status" data-state={state === 'done' ? 'well' : 'waiting'}>
        {state === undefined ? 'Asking…' : STATES[state]}
      </p>
      {certificate.answer !== undefined && <Places erasure={certificate.answer} />}
      {isMore && (
        <div class="buttons">
          <span class="trouble">
            There are more devices than one erasure takes: erase once more, until none is left.
          </span>
          <Erase id={of} />
        </div>
      )}
      {state === 'done' && (
        <p class="soft">
          Was the person active meanwhile, erase them once more: a device that was first seen with the id in the seconds
          before is found then. This certificate is kept for good, at <code>{path}</code>, and names nobody.
        </p>
      )}
    </Card>
  );
}

function Places({ erasure: { askedAt, applied, visitors, places } }: { readonly erasure: Erasure }) {
  return (
    <>
      <p class="soft">
        Asked for on {moment(askedAt)}; applied to {whole(applied)} of {count(visitors, 'visitor')}.
      </p>
      {places.length > 0 && (
        <table class="places" aria-label="Certificate">
          <thead>
            <tr>
              <th scope="col">Where</th>
              <th scope="col">State</th>
              <th scope="col" class="number">
                Removed
              </th>
            </tr>
          </thead>
          <tbody>
            {places.map(({ place, state, removed, until, detail }) => (
              <tr key={place}>
                <th scope="row">
                  {place} <p class="soft">{detail}</p>
                </th>
                <td>
                  {state}
                  {until !== undefined && ` ${moment(until)}`}
                </td>
                <td class="number">{removed === undefined ? '' : whole(removed)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </>
  );
}
