import { Copy } from './copy.tsx';

/** For who has no event yet: what to paste. */
export function FirstEvent() {
  const { origin } = location;
  const snippet = `<script async src="${origin}/t.js"></script>`;
  const sent = JSON.stringify({ userId: 'ada', event: 'Signed Up' });
  const line = `curl ${origin}/v1/track -H 'Content-Type: application/json' -d '${sent}'`;
  return (
    <section class="card first-event">
      <h2>No events yet</h2>
      <p>Paste this into the pages of your site. Page views come by themselves:</p>
      <pre tabIndex={0}>{snippet}</pre>
      <Copy text={snippet}>Copy the snippet</Copy>
      <p>Or send one from a terminal:</p>
      <pre tabIndex={0}>{line}</pre>
      <Copy text={line}>Copy the line</Copy>
      <p class="soft">This page comes alive with the first event.</p>
    </section>
  );
}
