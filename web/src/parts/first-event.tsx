import { hasToken } from '../api.ts';
import { curlOf } from '../curl.ts';
import { Copy } from './copy.tsx';

/** For who has no event yet: what to paste. */
export function FirstEvent() {
  const { origin } = location;
  const key = hasToken() ? ' data-key="YOUR WRITE KEY"' : '';
  const snippet = `<script async src="${origin}/t.js"${key}></script>`;
  const line = curlOf('/v1/track', { userId: 'ada', event: 'Signed Up' }, { origin, hasToken: hasToken() });
  return (
    <section class="card first-event">
      <h2>No events yet</h2>
      <p>Paste this into the pages of your site. Page views come by themselves:</p>
      <pre tabIndex={0}>{snippet}</pre>
      <p class="buttons">
        <Copy text={snippet}>Copy the snippet</Copy>
      </p>
      <p>Or send one from a terminal:</p>
      <pre tabIndex={0}>{line}</pre>
      <p class="buttons">
        <Copy text={line}>Copy the line</Copy>
      </p>
      <p class="soft">This page comes alive with the first event.</p>
    </section>
  );
}
