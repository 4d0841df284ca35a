import { createHash } from 'node:crypto';
import { LEDGER_MARKUP, LEDGER_SCRIPT, LEDGER_STYLE } from './page-ledger.ts';

/**
 * The page at `/`: what happens now, read from `/api/v1/live` once a second, and the ledger. It asks no other host for anything, and
 * its policy lets nothing run but its own script and style, known by their digests. All text goes in by textContent.
 */
const STYLE = `
:root {
  color-scheme: light dark;
  --paper: light-dark(#f6f5f1, #12151a);
  --card: light-dark(#ffffff, #1a1f26);
  --line: light-dark(#e2dfd6, #2b323c);
  --ink: light-dark(#1c2128, #e9ecf0);
  --soft: light-dark(#5c6470, #9aa4b2);
  --accent: light-dark(#0b6e69, #4fd0c3);
  --accent-soft: light-dark(#8cc4bf, #2c6f6a);
  --warm: light-dark(#a84a12, #f0a36b);
  --glow: light-dark(#d9efec, #1d3a3a);
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, sans-serif;
}
.frame { max-width: 72rem; margin: 0 auto; padding: 1.5rem 1.25rem 3rem; }
header { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: .5rem 1rem; margin-bottom: 1.5rem; }
h1 { margin: 0; font-size: 1.15rem; letter-spacing: -.01em; display: flex; align-items: center; gap: .6rem; }
h1 svg { width: 1.5rem; height: 1.5rem; color: var(--accent); }
h2 { margin: 0; font-size: .8rem; font-weight: 600; color: var(--soft); }
.status { margin: 0; display: flex; align-items: center; gap: .5rem; color: var(--soft); font-size: .875rem; }
.status::before { content: ""; width: .6rem; height: .6rem; border-radius: 50%; background: var(--soft); }
.status[data-state="live"]::before { background: var(--accent); }
.status[data-state="away"] { color: var(--warm); }
.status[data-state="away"]::before { background: var(--warm); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; padding: 1rem 1.25rem; }
.numbers { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem; margin: 0 0 .75rem; }
.numbers dt { font-size: .8rem; font-weight: 600; color: var(--soft); }
.numbers dd { margin: 0; font-size: 1.75rem; font-weight: 600; line-height: 1.25; letter-spacing: -.02em; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.numbers .lead dd { color: var(--accent); }
.numbers .bad[data-some] dd { color: var(--warm); }
.chart { margin-bottom: .75rem; }
.chart-head, .chart-foot { display: flex; justify-content: space-between; gap: 1rem; color: var(--soft); font-size: .8rem; font-variant-numeric: tabular-nums; }
.chart svg { display: block; width: 100%; height: 9rem; margin: .75rem 0 .35rem; border-bottom: 1px solid var(--line); }
.chart rect { fill: var(--accent); }
.chart rect.running { fill: var(--accent-soft); }
.events { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; margin-top: .5rem; font-size: .9rem; }
th { text-align: left; font-size: .78rem; font-weight: 600; color: var(--soft); padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line); }
td { padding: .4rem .75rem .4rem 0; border-bottom: 1px solid var(--line); vertical-align: top; max-width: 22rem; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
tr:last-child td { border-bottom: 0; }
td.time, td.who { font-variant-numeric: tabular-nums; color: var(--soft); }
td.type { font-weight: 600; }
tr.fresh td { animation: fresh 2s ease-out; }
@keyframes fresh { from { background: var(--glow); } }
@media (prefers-reduced-motion: reduce) { tr.fresh td { animation: none; } }
.empty { margin: .75rem 0 .25rem; color: var(--soft); }
pre { margin: .5rem 0 0; padding: .75rem 1rem; background: var(--paper); border-radius: .5rem; overflow-x: auto; font: .82rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
main[data-stale] { opacity: .55; }
form { display: flex; flex-wrap: wrap; align-items: end; gap: .75rem; margin-bottom: .75rem; }
label { display: grid; gap: .25rem; font-size: .8rem; font-weight: 600; color: var(--soft); flex: 1 1 16rem; }
input, button { font: inherit; padding: .5rem .75rem; border-radius: .5rem; border: 1px solid var(--line); }
input { background: var(--paper); color: var(--ink); }
button { background: var(--accent); border-color: var(--accent); color: var(--card); font-weight: 600; cursor: pointer; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
form p { margin: 0; flex-basis: 100%; }
[hidden] { display: none !important; }
@media (forced-colors: active) { .chart rect { fill: CanvasText; } }
${LEDGER_STYLE}`;

const SCRIPT = `
'use strict';
const POLL_MS = 1000;
const ANSWER_MS = 5000;
const STALE_MS = 3500;
const RATE_SAMPLES = 6;
const TOKEN = 'clickstream read token';

const element = (id) => document.getElementById(id);
const whole = new Intl.NumberFormat();
const tenths = new Intl.NumberFormat(undefined, { maximumFractionDigits: 1, minimumFractionDigits: 1 });
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const minuteClock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });

let token = sessionStorage.getItem(TOKEN);
let samples = [];
let answeredAt = 0;
let trouble = '';
let known = new Set();
let timer;

/** Undefined when a token is needed, or another than this. */
async function ask(path, patience) {
  const sent = token;
  const headers = sent === null ? {} : { Authorization: 'Bearer ' + sent };
  const response = await fetch(path, { headers, cache: 'no-store', signal: AbortSignal.timeout(patience) });
  const answer = await response.json();
  if (response.status === 401) {
    // Of two questions under way only the first says that the token was wrong.
    if (sent === token) askForToken();
    return undefined;
  }
  if (!response.ok) throw new Error(answer.detail || 'status ' + response.status);
  return answer;
}

function wordsOf(error) {
  return error instanceof TypeError || error.name === 'TimeoutError' ? 'the server does not answer' : error.message;
}

async function poll() {
  clearTimeout(timer);
  if (document.hidden || !element('ask').hidden) return;
  const started = Date.now();
  try {
    const live = await ask('/api/v1/live', ANSWER_MS);
    if (live !== undefined) {
      element('ask').hidden = true;
      answeredAt = Date.now();
      trouble = '';
      show(live);
      pollLedger();
    }
  } catch (error) {
    trouble = wordsOf(error);
  }
  showStatus();
  clearTimeout(timer);
  timer = setTimeout(poll, Math.max(0, POLL_MS - (Date.now() - started)));
}

function askForToken() {
  element('wrong').hidden = token === null;
  token = null;
  sessionStorage.removeItem(TOKEN);
  element('ask').hidden = false;
  element('token').focus();
}

function showStatus() {
  const waiting = !element('ask').hidden;
  const stale = answeredAt > 0 && Date.now() - answeredAt > STALE_MS;
  const state = waiting || (answeredAt === 0 && trouble === '') ? 'waiting' : stale || trouble !== '' ? 'away' : 'live';
  const since = answeredAt === 0 ? '' : '; as of ' + clock.format(answeredAt);
  const words = { waiting: waiting ? 'A read token is needed' : 'Connecting', live: 'Live', away: 'Stale: ' + (trouble || 'no answer') + since };
  const status = element('status');
  if (status.textContent !== words[state]) status.textContent = words[state];
  status.dataset.state = state;
  element('live').toggleAttribute('data-stale', state === 'away');
}

function show(live) {
  const { totals, minutes, newest } = live;
  element('rate').textContent = tenths.format(rateOf(Date.parse(live.time), totals.stored));
  element('now').textContent = whole.format(live.visitorsNow);
  element('stored').textContent = whole.format(totals.stored);
  element('visitors').textContent = whole.format(totals.visitors);
  element('bad').textContent = whole.format(totals.bad + totals.dead);
  element('bad').parentElement.toggleAttribute('data-some', totals.bad + totals.dead > 0);
  showChart(minutes);
  showEvents(newest);
}

function rateOf(time, stored) {
  const last = samples.at(-1);
  // Less than before, or a long pause: these are not the same seconds any more.
  if (last !== undefined && (stored < last.stored || time - last.time > 3 * POLL_MS)) samples = [];
  if (samples.length === 0 || time > samples.at(-1).time) samples.push({ time, stored });
  if (samples.length > RATE_SAMPLES) samples.shift();
  const [first] = samples;
  const end = samples.at(-1);
  return end.time > first.time ? (1000 * (end.stored - first.stored)) / (end.time - first.time) : 0;
}

function showChart(minutes) {
  const most = Math.max(1, ...minutes.map((minute) => minute.value));
  const bars = minutes.map((minute, place) => {
    const bar = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
    const height = minute.value === 0 ? 0 : Math.max(1, (100 * minute.value) / most);
    const at = { x: place * 10 + 1, y: 100 - height, width: 8, height };
    for (const [name, value] of Object.entries(at)) bar.setAttribute(name, value);
    if (place === minutes.length - 1) bar.setAttribute('class', 'running');
    const title = document.createElementNS('http://www.w3.org/2000/svg', 'title');
    title.textContent = minuteClock.format(Date.parse(minute.time)) + ': ' + whole.format(minute.value);
    bar.append(title);
    return bar;
  });
  const sum = minutes.reduce((total, minute) => total + minute.value, 0);
  const chart = element('chart');
  chart.setAttribute('viewBox', '0 0 ' + minutes.length * 10 + ' 100');
  chart.setAttribute('aria-label', whole.format(sum) + ' events in the last ' + minutes.length + ' minutes, at most ' + whole.format(most) + ' in one');
  chart.replaceChildren(...bars);
  element('most').textContent = 'at most ' + whole.format(most) + ' a minute';
  if (minutes.length > 0) element('first').textContent = minuteClock.format(Date.parse(minutes[0].time));
}

function showEvents(events) {
  const keys = events.map((event) => event.position.lane + ':' + event.position.sequence + ':' + event.position.index);
  const isFirst = known.size === 0;
  const rows = events.map((event, place) => {
    const row = document.createElement('tr');
    if (!isFirst && !known.has(keys[place])) row.className = 'fresh';
    const page = event.properties.path || event.properties.url || (event.context.page && (event.context.page.path || event.context.page.url)) || '';
    row.append(
      cell('time', clock.format(Date.parse(event.timestamp)), event.timestamp),
      cell('type', event.eventType),
      cell('who', event.userId || event.anonymousId),
      cell('page', page),
      cell('source', event.source),
    );
    return row;
  });
  const unchanged = keys.length === known.size && keys.every((key) => known.has(key));
  known = new Set(keys);
  if (!unchanged) element('rows').replaceChildren(...rows);
  element('table').hidden = events.length === 0;
  element('empty').hidden = events.length > 0;
}

function cell(name, value, title) {
  const text = String(value);
  const data = document.createElement('td');
  data.className = name;
  data.textContent = text;
  data.title = title || text;
  return data;
}

${LEDGER_SCRIPT}
element('ask').addEventListener('submit', (event) => {
  event.preventDefault();
  token = element('token').value.trim();
  element('token').value = '';
  sessionStorage.setItem(TOKEN, token);
  element('ask').hidden = true;
  poll();
});
document.addEventListener('visibilitychange', poll);
element('example').textContent = "curl " + location.origin + "/v1/track -H 'Content-Type: application/json' \\\\\\n  -d '" + JSON.stringify({ userId: 'ada', event: 'Signed Up', writeKey: 'any' }) + "'";
poll();
`;

function digest(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}

/** The Content-Security-Policy that goes with the page. */
export const PAGE_POLICY = [
  "default-src 'none'",
  `script-src ${digest(SCRIPT)}`,
  `style-src ${digest(STYLE)}`,
  "connect-src 'self'",
  'img-src data:',
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const MARK =
  '<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round" aria-hidden="true"><path d="M3 7c3-4 6 4 9 0s6 4 9 0M3 17c3-4 6 4 9 0s6 4 9 0M3 12h18"/></svg>';
const ICON =
  'data:image/svg+xml,%3Csvg xmlns=%22http://www.w3.org/2000/svg%22 viewBox=%220 0 24 24%22 fill=%22none%22 stroke=%22%230b8a83%22 stroke-width=%222.4%22 stroke-linecap=%22round%22%3E%3Cpath d=%22M3 7c3-4 6 4 9 0s6 4 9 0M3 17c3-4 6 4 9 0s6 4 9 0M3 12h18%22/%3E%3C/svg%3E';

export const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>clickstream: live</title>
<link rel="icon" href="${ICON}">
<style>${STYLE}</style>
</head>
<body>
<div class="frame">
<header>
<h1>${MARK}clickstream</h1>
<p class="status" id="status" role="status" data-state="waiting">Connecting</p>
</header>
<form id="ask" class="card" hidden>
<label for="token">Read token<input id="token" type="password" autocomplete="off" spellcheck="false" required></label>
<button type="submit">Open</button>
<p id="wrong" role="alert" hidden>That token is not one of those configured.</p>
</form>
<noscript><p class="card">This page needs JavaScript; <a href="/api/v1/live">/api/v1/live</a> and <a href="/api/v1/audit">/api/v1/audit</a> have the same as JSON.</p></noscript>
<main id="live">
<dl class="numbers">
<div class="card lead"><dt>Events a second</dt><dd id="rate">–</dd></div>
<div class="card"><dt>Visitors now</dt><dd id="now">–</dd></div>
<div class="card"><dt>Events stored</dt><dd id="stored">–</dd></div>
<div class="card"><dt>Visitors in all</dt><dd id="visitors">–</dd></div>
<div class="card bad"><dt>Set aside</dt><dd id="bad">–</dd></div>
</dl>
<section class="card chart" aria-labelledby="chart-title">
<div class="chart-head"><h2 id="chart-title">Events by the minute</h2><span id="most"></span></div>
<svg id="chart" role="img" aria-label="Events by the minute" viewBox="0 0 300 100" preserveAspectRatio="none"></svg>
<div class="chart-foot"><span id="first"></span><span>now</span></div>
</section>
${LEDGER_MARKUP}
<section class="card events" aria-labelledby="events-title">
<h2 id="events-title">Newest events</h2>
<table id="table" hidden>
<thead><tr><th scope="col">Time</th><th scope="col">Type</th><th scope="col">Who</th><th scope="col">Page</th><th scope="col">Source</th></tr></thead>
<tbody id="rows"></tbody>
</table>
<div id="empty" class="empty">No events yet. Send a first one:<pre id="example"></pre></div>
</section>
</main>
</div>
<script>${SCRIPT}</script>
</body>
</html>
`;
