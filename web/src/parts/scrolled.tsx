import type { ComponentChildren } from 'preact';

/** What may be wider than the window, and then moves sideways by itself; also by keyboard, so it has a name. */
export function Scrolled({ name, children }: { readonly name: string; readonly children: ComponentChildren }) {
  return (
    <section class="scroll" tabIndex={0} aria-label={name}>
      {children}
    </section>
  );
}
