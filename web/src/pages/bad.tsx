import './bad.css';
import { useEffect, useMemo, useState } from 'preact/hooks';
import type { BadEvent, BadPage as BadEvents, BadReasons } from '../answers.ts';
import { hasToken, pathOf } from '../api.ts';
import { ANY_TYPE, type BadKind, keyOfKind, kindsOf, replayAllCommand, type SomeBad } from '../bad-kinds.ts';
import { curlOf } from '../curl.ts';
import { count, moment, visible, whole } from '../format.ts';
import { useListed } from '../listed.ts';
import type { PageProps } from '../page-props.ts';
import { Card } from '../parts/card.tsx';
import { Copy } from '../parts/copy.tsx';
import { More } from '../parts/event-list.tsx';
import { useShowAll } from '../parts/show-all.tsx';
import { type Polled, usePoll } from '../poll.ts';
import { type Address, go, hrefOf } from '../router.ts';
import { BadBody, CommandLine, isErased, isPutBack } from './bad-event.tsx';
import { ReplayAll } from './bad-replay.tsx';

const REASONS_MS = 10_000;
const KINDS_SHOWN = 50;
const REASONS_SHOWN = 3;

export function BadPage({ address, reasons }: PageProps) {
  const { item, parameters } = address;
  // The newest answer of what happens now is no reason to draw all of it anew.
  return useMemo(() => {
    if (item !== '') return <OneBad key={item} id={item} />;
    const { code, type, source } = parameters;
    if (code === undefined) return source === undefined ? <Kinds reasons={reasons} /> : <KindsOf source={source} />;
    return <Kind key={[code, type, source].join('\0')} address={address} code={code} />;
  }, [address, reasons.answer, reasons.trouble, reasons.isStale]);
}

function KindsOf({ source }: { readonly source: string }) {
  return <Kinds reasons={usePoll<BadReasons>(pathOf('/api/v1/bad/reasons', { source }), { everyMs: REASONS_MS })} />;
}

function Kinds({ reasons }: { readonly reasons: Polled<BadReasons> }) {
  const kinds = kindsOf(reasons.answer?.reasons ?? []);
  const [shown, more] = useShowAll(kinds, KINDS_SHOWN);
  const { answer } = reasons;
  return (
    <Card title="Set aside, by reason" of={reasons}>
      {answer !== undefined && kinds.length === 0 && <None />}
      <ul class="kinds">
        {shown.map((kind) => (
          <KindRow key={keyOfKind(kind)} kind={kind} />
        ))}
      </ul>
      {more}
      {answer !== undefined && !answer.complete && (
        <p class="soft">Counted among the newest {whole(answer.counted)}.</p>
      )}
      {answer !== undefined && answer.kinds > answer.reasons.length && (
        <p class="soft">There are more: clickstream bad reasons narrows them.</p>
      )}
    </Card>
  );
}

function None() {
  const batch = [{ type: 'nonsense', anonymousId: 'ada' }];
  const line = curlOf('/v1/batch', { batch }, { origin: location.origin, hasToken: hasToken() });
  return (
    <>
      <p>
        None. What is no valid event, or does not fit its schema, is kept with its reason and all its bytes, and listed
        here with the way back.
      </p>
      <p class="soft">To see one, send it:</p>
      <pre tabIndex={0}>{line}</pre>
      <Copy text={line}>Copy the line</Copy>
    </>
  );
}

function KindRow({ kind }: { readonly kind: BadKind }) {
  const { source, code, eventType, count: all, waiting, last, reasons } = kind;
  const address = { page: 'bad', parameters: { code, type: eventType ?? undefined, source } };
  return (
    <li>
      <div class="kind">
        <a href={hrefOf(address)}>
          <strong>{code}</strong> <TypeName type={eventType} />
        </a>
        <span>
          {whole(all)}, {waiting === 0 ? 'none' : waiting === all ? 'all' : whole(waiting)} waiting
        </span>
      </div>
      {reasons.slice(0, REASONS_SHOWN).map((reason) => (
        <p key={reason.detail}>
          <bdi>{visible(reason.detail)}</bdi>
          {reasons.length > 1 && <span class="soft"> {whole(reason.count)}</span>}
        </p>
      ))}
      <p class="soft">
        {reasons.length > REASONS_SHOWN && `and ${count(reasons.length - REASONS_SHOWN, 'more reason')}; `}source{' '}
        <bdi>{source}</bdi>, last {moment(last)}
      </p>
    </li>
  );
}

function TypeName({ type }: { readonly type: string | null }) {
  return type === null ? <span class="soft">no type that could be read</span> : <bdi>{visible(type)}</bdi>;
}

function Kind({ address, code }: { readonly address: Address; readonly code: string }) {
  const { type, source, waiting } = address.parameters;
  const asked = { code, type, source, replayed: waiting === '1' ? 'exclude' : undefined };
  const listed = useListed(pathOf('/api/v1/bad', { ...asked, limit: 50 }), ({ bad }: BadEvents) => bad);
  const { items, trouble, again } = listed;
  return (
    <>
      <Card title="Set aside for one reason" aside={<a href={hrefOf({ page: 'bad' })}>All reasons</a>}>
        <p class="subject">
          <strong>{code}</strong>{' '}
          {type === undefined ? <span class="soft">{ANY_TYPE}</span> : <bdi>{visible(type)}</bdi>}
        </p>
        <p class="soft">
          {source === undefined ? (
            'of all sources'
          ) : (
            <>
              source <bdi>{source}</bdi>
            </>
          )}
        </p>
        <PutBackAll kind={{ code, type, source }} onDone={again} />
      </Card>
      <Card title="Events" aside={<OnlyWaiting address={address} />}>
        {items === undefined && <p class="soft">{trouble ?? 'Reading…'}</p>}
        {items?.length === 0 && (
          <p class="soft">{waiting === '1' ? 'None waits: all were put back.' : 'None of this kind.'}</p>
        )}
        {items?.map((bad) => (
          <BadRow key={bad.id} bad={bad} />
        ))}
        {items !== undefined && <More of={listed} words="Older" />}
      </Card>
    </>
  );
}

function OnlyWaiting({ address }: { readonly address: Address }) {
  const isOn = address.parameters.waiting === '1';
  const change = () =>
    go({ ...address, parameters: { ...address.parameters, waiting: isOn ? undefined : '1' } }, { isSame: true });
  return (
    <label>
      <input type="checkbox" checked={isOn} onChange={change} /> only those that wait
    </label>
  );
}

/** What mends a kind, and the two ways of putting it back. */
function PutBackAll({ kind, onDone }: { readonly kind: SomeBad; readonly onDone: () => void }) {
  const line = replayAllCommand(kind, { origin: location.origin, hasToken: hasToken() });
  const advice = kind.code.startsWith('schema_')
    ? 'Mend the schema. Then put back all that wait.'
    : 'They are no valid events as they came: open one, mend it, and put that back. All at once helps when the program has learnt to take what it refused.';
  return (
    <>
      <p>{advice}</p>
      <ReplayAll kind={kind} onDone={onDone} />
      {line !== undefined && <CommandLine text={line} />}
    </>
  );
}

function BadRow({ bad: given }: { readonly bad: BadEvent }) {
  const [isOpen, setOpen] = useState(false);
  const [bad, setBad] = useState(given);
  useEffect(() => setBad(given), [given]);
  return (
    <details class="bad" onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>
        <time dateTime={bad.receivedAt}>{moment(bad.receivedAt)}</time>
        <bdi>{visible(bad.detail)}</bdi>
        <span class="state">{isErased(bad) ? 'erased' : isPutBack(bad) ? 'put back' : 'waits'}</span>
      </summary>
      {isOpen && <BadBody bad={bad} onChange={setBad} />}
    </details>
  );
}

function OneBad({ id }: { readonly id: string }) {
  const found = usePoll<BadEvent>(`/api/v1/bad/${encodeURIComponent(id)}`, { everyMs: 0 });
  const [changed, setChanged] = useState<BadEvent>();
  const bad = changed ?? found.answer;
  return (
    <Card
      title="One event set aside"
      of={{ isStale: false, trouble: found.trouble }}
      aside={<a href={hrefOf({ page: 'bad' })}>All reasons</a>}
    >
      {bad !== undefined && <BadBody bad={bad} onChange={setChanged} />}
      {bad === undefined && found.trouble === undefined && <p class="soft">Reading…</p>}
    </Card>
  );
}
