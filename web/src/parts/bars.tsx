import type { ComponentChildren } from 'preact';

export interface BarRow {
  readonly key: string;
  /** How the key is called. */
  readonly name: ComponentChildren;
  readonly value: number;
  /** Where its name leads. */
  readonly href?: string;
}

/** What is most, as a table whose rows have bars behind them. */
export function Bars({
  of,
  measure,
  rows,
  format,
  whole,
  opened,
}: {
  /** What the rows are: the heading of their names. */
  readonly of: string;
  /** What is counted: the heading of their numbers. */
  readonly measure: string;
  readonly rows: readonly BarRow[];
  readonly format: (value: number, whole: number | undefined) => ComponentChildren;
  /** Of which the values are parts. */
  readonly whole?: number | undefined;
  /** The key of the row that is looked at. */
  readonly opened?: string | undefined;
}) {
  const most = Math.max(1, ...rows.map(({ value }) => value));
  return (
    <table class="bars">
      <thead>
        <tr>
          <th scope="col">{of}</th>
          <th scope="col" class="number">
            {measure}
          </th>
        </tr>
      </thead>
      <tbody>
        {rows.map(({ key, name, value, href }) => (
          <tr key={key}>
            <td style={{ '--part': `${(100 * value) / most}%` }}>
              <bdi>
                {href === undefined ? (
                  name
                ) : (
                  <a href={href} aria-current={key === opened ? 'true' : undefined}>
                    {name}
                  </a>
                )}
              </bdi>
            </td>
            <td class="number">{format(value, whole)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
