import './ledger-view.css';
import type { Audit, AuditProblem } from '../answers.ts';
import { count, visible, whole } from '../format.ts';
import { barsOf, cameIn, LISTED_MAX, pictureWords, placesOf, RARE, ROWS, restOf, sumOf, verdictOf } from '../ledger.ts';

/** Whether everything acknowledged is accounted for: a verdict, the sum as a picture and as a table, and what is wrong, with its places. */
export function LedgerView({ audit }: { readonly audit: Audit }) {
  const { state, title, words } = verdictOf(audit);
  const rest = restOf(audit);
  return (
    <div class="ledger">
      <p class="verdict" role="status" data-state={state === 'balanced' ? 'well' : state === 'off' ? 'off' : 'waiting'}>
        {title}
      </p>
      <p>{words}</p>
      {state !== 'empty' && (
        <>
          <Picture audit={audit} />
          <Sums audit={audit} />
        </>
      )}
      {rest.map((sentence, place) => (
        <p key={sentence} class={place === 0 && audit.lost > 0 ? 'trouble' : 'soft'}>
          {sentence}
        </p>
      ))}
      <Gaps audit={audit} />
      {state !== 'empty' && (
        <p class="soft">
          Whether each stored event still lies in the store is not looked at here: <code>clickstream audit</code> counts
          them one by one.
        </p>
      )}
    </div>
  );
}

function Picture({ audit }: { readonly audit: Audit }) {
  return (
    <svg
      class="sums-picture"
      role="img"
      aria-label={pictureWords(audit)}
      viewBox="0 0 1000 34"
      preserveAspectRatio="none"
    >
      {barsOf(audit).map(({ part, row, x, width }) => (
        <rect
          key={part}
          class={`part-${part}`}
          x={x}
          width={width}
          y={part === 'missing' ? 20 : row === 'came' ? 1 : 19}
          height={part === 'missing' ? 12 : 14}
        />
      ))}
    </svg>
  );
}

function Sums({ audit }: { readonly audit: Audit }) {
  const rows = ROWS.filter(([part]) => !RARE.has(part) || audit[part] > 0);
  const parts = rows.filter(([part]) => part !== 'accepted' && part !== 'redelivered').length;
  const isEqual = sumOf(audit) === cameIn(audit);
  return (
    <table class="sums" aria-label="Ledger">
      <tbody>
        {rows.map(([part, what]) => (
          <tr key={part} class={`part-${part}`}>
            <th scope="row">
              <i aria-hidden="true" />
              {part}
            </th>
            <td class="number">{whole(audit[part])}</td>
            <td>{what}</td>
          </tr>
        ))}
        <tr class="sum">
          <th scope="row">sum</th>
          <td class="number">{whole(sumOf(audit))}</td>
          <td>
            of these {parts}
            {isEqual ? ', as many as came in' : `; ${whole(cameIn(audit))} came in`}
          </td>
        </tr>
      </tbody>
    </table>
  );
}

function Gaps({ audit: { problems, problemCount, notes } }: { readonly audit: Audit }) {
  const listed = [...problems.map((gap) => ['off', gap] as const), ...notes.map((gap) => ['note', gap] as const)].slice(
    0,
    LISTED_MAX,
  );
  const more = problemCount + notes.length - listed.length;
  return (
    <>
      {listed.length > 0 && (
        <ul class="gaps" aria-label="Problems and notes">
          {listed.map(([kind, gap]) => (
            <Gap key={keyOf(gap)} kind={kind} gap={gap} />
          ))}
        </ul>
      )}
      {more > 0 && <p class="soft">And {count(more, 'more', 'more')}: clickstream audit names them.</p>}
    </>
  );
}

function keyOf({ kind, detail, ...place }: AuditProblem): string {
  return [kind, detail, placesOf({ kind, detail, ...place })].join('\n');
}

function Gap({ kind, gap }: { readonly kind: 'off' | 'note'; readonly gap: AuditProblem }) {
  return (
    <li class={kind}>
      <strong>
        {kind === 'note' && 'note: '}
        {gap.kind}
      </strong>{' '}
      <bdi>{visible(gap.detail)}</bdi>
      <p class="soft">
        <bdi>{visible(placesOf(gap))}</bdi>
      </p>
    </li>
  );
}
