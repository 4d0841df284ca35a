import { useEffect, useState } from 'preact/hooks';
import type { Sources } from '../answers.ts';
import { usePoll } from '../poll.ts';
import { dayText, RANGES, rangeOf, zoneWords } from '../range.ts';
import { type Address, go } from '../router.ts';

const SOURCES_MS = 60_000;

/** Over which time, of which source, and with which bots: all of it in the address. */
export function Filters({ address }: { readonly address: Address }) {
  const { parameters } = address;
  const range = rangeOf(parameters, Date.now());
  const { answer } = usePoll<Sources>('/api/v1/sources', { everyMs: SOURCES_MS });
  const { source = '', bots = '' } = parameters;
  const sources = [...new Set([...(answer?.sources ?? []), ...(source === '' ? [] : [source])])].sort();
  const choose = (changes: Readonly<Record<string, string | undefined>>) =>
    go({ ...address, parameters: { ...parameters, ...changes } });
  const chooseDay = (change: Readonly<Record<string, string>>) =>
    go({ ...address, parameters: { ...parameters, ...change } }, { isSame: true });
  const chooseRange = (name: string) => {
    const days = name === 'custom' ? { from: dayText(range.from), to: dayText(range.to - 1) } : { from: '', to: '' };
    choose({ range: name, ...days });
  };
  const isCustom = parameters.range === 'custom';
  return (
    <form class="buttons filters" aria-label="What is counted" onSubmit={(event) => event.preventDefault()}>
      <label>
        <span>Time</span>
        <select
          value={isCustom ? 'custom' : range.name}
          onChange={({ currentTarget: { value } }) => chooseRange(value)}
        >
          {RANGES.map(([name, title]) => (
            <option key={name} value={name}>
              {title}
            </option>
          ))}
        </select>
      </label>
      {isCustom && (
        <>
          <Day name="From" value={parameters.from} onChange={(from) => chooseDay({ from })} />
          <Day name="To" value={parameters.to} onChange={(to) => chooseDay({ to })} />
        </>
      )}
      <label>
        <span>Source</span>
        <select value={source} onChange={({ currentTarget: { value } }) => choose({ source: value })}>
          <option value="">all</option>
          {sources.map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span>Bots</span>
        <select value={bots} onChange={({ currentTarget: { value } }) => choose({ bots: value })}>
          <option value="">without</option>
          <option value="include">with</option>
          <option value="only">only</option>
        </select>
      </label>
      <span class="soft">{zoneWords()}</span>
      {isCustom && range.name !== 'custom' && (
        <p class="trouble" role="alert">
          That is no range of up to 400 days; shown are the last 7 days.
        </p>
      )}
    </form>
  );
}

const FIRST_DAY = '1970-01-02';

/** It is typed digit by digit: the years 0002 to 0202 are on the way to 2026. */
function Day({
  name,
  value = '',
  onChange,
}: {
  readonly name: string;
  readonly value: string | undefined;
  readonly onChange: (day: string) => void;
}) {
  const [typed, setTyped] = useState(value);
  useEffect(() => setTyped(value), [value]);
  const type = (day: string) => {
    setTyped(day);
    if (day === '' || day >= FIRST_DAY) onChange(day);
  };
  return (
    <label>
      <span>{name}</span>
      <input type="date" required value={typed} onChange={({ currentTarget }) => type(currentTarget.value)} />
    </label>
  );
}
