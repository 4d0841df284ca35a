import type { ComponentChildren } from 'preact';
import type { Polled } from '../poll.ts';

/** A part of a page, with a heading and what stands beside it. */
export function Card({
  title,
  aside,
  of,
  isWide = false,
  children,
}: {
  readonly title: string;
  readonly aside?: ComponentChildren;
  /** What it shows; it is dimmed while that is not the newest, and says what is the matter. */
  readonly of?: Pick<Polled<unknown>, 'isStale' | 'trouble'>;
  /** As wide as the page, also where others stand beside each other. */
  readonly isWide?: boolean;
  readonly children: ComponentChildren;
}) {
  return (
    <section class={isWide ? 'card wide' : 'card'} data-stale={of?.isStale === true ? '' : undefined}>
      <div class="card-head">
        <h2>{title}</h2>
        {aside !== undefined && <div class="aside">{aside}</div>}
      </div>
      <Trouble words={of?.trouble} />
      {children}
    </section>
  );
}

/** Why something is not here, or not new: it is said aloud when it comes. */
export function Trouble({ words }: { readonly words: string | undefined }) {
  return (
    <p class="trouble" role="status">
      {words}
    </p>
  );
}

/** A number with its name; `beside` is, for example, how it compares. */
export function Figure({
  name,
  value,
  beside,
  tone,
}: {
  readonly name: string;
  readonly value: string | undefined;
  readonly beside?: ComponentChildren;
  readonly tone?: 'lead' | 'warm' | undefined;
}) {
  return (
    <div class="figure" data-tone={tone}>
      <dt>{name}</dt>
      <dd>
        {value ?? '–'}
        {beside !== undefined && <small>{beside}</small>}
      </dd>
    </div>
  );
}
