import { trackClicks } from './clicks.ts';
import { forgetQueue, handOver, send } from './delivery.ts';
import { forgetVisitor, setConsent, startRecorder } from './recorder.ts';
import { setUp, wants } from './settings.ts';
import type { Settings, Tracker } from './tracker-api.ts';
import { beginView, endView, here, identify, look, navigated, page, startViews, track } from './views.ts';
import { observeVitals } from './web-vitals.ts';

/** Starts the page's tracker, once; its first event is the view of that page. */
export function start(settings: Settings): Tracker {
  setUp(settings);
  forgetQueue();
  startRecorder();
  startViews();
  if (wants('page')) followHistory();
  trackClicks();
  endWithPage();
  addEventListener('online', () => send());
  // A page that comes back as it was left is not loaded anew.
  addEventListener('pageshow', (event) => {
    if (event.persisted) begin();
  });
  // A page that a browser has made ready before anybody asked for it is seen when it is shown.
  if ((document as { prerendering?: boolean }).prerendering) document.addEventListener('prerenderingchange', begin);
  else begin();
  return {
    page,
    track: (name, properties) => track(name, properties),
    identify,
    consent: setConsent,
    reset: forgetVisitor,
    flush: () => send(),
  };
}

function begin(): void {
  if (wants('page')) page();
  else beginView();
}

function followHistory(): void {
  for (const name of ['pushState', 'replaceState'] as const) {
    const original = history[name];
    history[name] = (...given) => {
      original.apply(history, given);
      navigated();
    };
  }
  addEventListener('popstate', navigated);
}

/** What is told of a page at its end, and sent then; a page that is hidden may never be seen again. */
function endWithPage(): void {
  const landing = here();
  let vitals = wants('vitals') && !document.hidden && observeVitals();
  const leave = () => {
    endView();
    if (vitals) track('Web Vitals', vitals, landing);
    vitals = false;
    send(true);
  };
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) leave();
    else look();
  });
  addEventListener('pagehide', () => {
    leave();
    handOver();
  });
}
