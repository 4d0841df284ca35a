/**
 * What the page at `/` says of the ledger and of events set aside: its part of the page's one style, script and markup.
 * It is asked for by the page's own clock, so neither while the tab is hidden nor before there is a token.
 */

/** A row of the sum: its name in `/api/v1/audit`, and what it is. */
const ROWS = [
  ['accepted', 'events of acknowledged records'],
  ['redelivered', 'events of further copies of a record'],
  ['stored', 'each of them once'],
  ['duplicate', 'stored once already'],
  ['bad', 'set aside, with reason and bytes'],
  ['dead', 'of records that cannot be processed'],
  ['pending', 'not processed yet'],
  ['sum', 'of these five'],
] as const;

export const LEDGER_STYLE = `
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)); gap: .75rem; margin-bottom: .75rem; }
.pair { align-items: start; }
.pair > * { min-width: 0; }
.verdict { margin: .5rem 0 0; font-size: 1.25rem; font-weight: 600; line-height: 1.3; }
.verdict[data-state="balanced"] { color: var(--accent); }
.verdict[data-state="off"], .trouble { color: var(--warm); }
.pair p { margin: .25rem 0 0; overflow-wrap: anywhere; }
.soft { color: var(--soft); font-size: .875rem; }
#sums-picture { display: block; width: 100%; height: 2.25rem; margin: .9rem 0 .25rem; }
.accepted { --part: var(--soft); }
.redelivered { --part: light-dark(#b9b3a3, #56606e); }
.stored { --part: var(--accent); }
.duplicate { --part: var(--accent-soft); }
.bad-part { --part: var(--warm); }
.dead { --part: light-dark(#7a1f4b, #e58bb6); }
.pending { --part: light-dark(#c9a227, #e3c766); }
#sums-picture rect { fill: var(--part); }
#sums-picture .missing { fill: none; stroke: var(--warm); stroke-width: 2; stroke-dasharray: 4 3; vector-effect: non-scaling-stroke; }
.sums th, .sums td { vertical-align: baseline; }
.sums th { width: 1%; padding: .2rem .75rem .2rem 0; border: 0; font-size: .9rem; font-weight: 400; color: var(--ink); white-space: nowrap; }
.sums td { max-width: none; padding: .2rem 0; border: 0; white-space: normal; color: var(--soft); font-size: .875rem; }
.sums td.number { width: 1%; padding-right: 1rem; text-align: right; color: var(--ink); font-size: .9rem; font-variant-numeric: tabular-nums; white-space: nowrap; }
.sums i { display: inline-block; width: .65rem; height: .65rem; margin-right: .5rem; border-radius: .15rem; background: var(--part, transparent); }
.sums .sum > * { border-top: 1px solid var(--line); font-weight: 600; }
.sums .sum > :last-child { font-weight: 400; }
.list { list-style: none; margin: .5rem 0 0; padding: 0; }
.list li { padding: .5rem 0; border-top: 1px solid var(--line); font-size: .9rem; overflow-wrap: anywhere; }
.list strong { margin-right: .5rem; }
.list .off strong { color: var(--warm); }
.list pre { padding: .4rem .6rem; user-select: all; }
.pair pre { white-space: pre-wrap; overflow-wrap: anywhere; }
.kind { display: flex; justify-content: space-between; gap: 1rem; font-variant-numeric: tabular-nums; }
.kind > :last-child { flex: none; text-align: right; }
summary { margin-top: .25rem; color: var(--soft); font-size: .875rem; cursor: pointer; }
#bytes { max-height: 16rem; overflow-y: auto; }
h3 { margin: .75rem 0 0; font-size: .9rem; overflow-wrap: anywhere; }
a { color: var(--accent); }
@media (forced-colors: active) { #sums-picture rect, .sums i { forced-color-adjust: none; } }
`;

export const LEDGER_SCRIPT = `
const LEDGER_MS = 10000;
const LEDGER_ANSWER_MS = 35000;
const LISTED = 20;
const PARTS = ['stored', 'duplicate', 'bad', 'dead', 'pending'];
/** What steers a terminal, or the order in which a text is shown; half a character. */
const STEERING = /[\\p{Cc}\\p{Cs}\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]/gu;

let ledgerDue = 0;
let ledgerAsked = false;
let kinds = new Map();

/** One question at a time, and no more often than that a slow answer stays a small part of the server's time. */
async function pollLedger() {
  if (ledgerAsked || performance.now() < ledgerDue) return;
  ledgerAsked = true;
  const started = performance.now();
  let words = '';
  try {
    const audit = await ask('/api/v1/audit', LEDGER_ANSWER_MS);
    if (audit !== undefined) {
      showLedger(audit);
      const isNone = audit.bad === audit.badExpired;
      const reasons = isNone ? { reasons: [], kinds: 0, complete: true } : await ask('/api/v1/bad/reasons', LEDGER_ANSWER_MS);
      if (reasons !== undefined) showReasons(reasons);
    }
  } catch (error) {
    words = 'It could not be read just now: ' + wordsOf(error) + '. It is asked again; nothing is known to be wrong by that.';
  }
  setText('ledger-trouble', words);
  const took = performance.now() - started;
  ledgerDue = performance.now() + Math.min(6 * LEDGER_MS, Math.max(LEDGER_MS, 20 * took));
  ledgerAsked = false;
}

/** What did not change is left alone: it may be selected, or being read out. */
function setText(id, words) {
  const place = typeof id === 'string' ? element(id) : id;
  if (place.textContent !== words) place.textContent = words;
  place.hidden = words === '';
}

function make(tag, name, ...parts) {
  const made = document.createElement(tag);
  made.className = name;
  made.append(...parts);
  return made;
}

const visible = (words) => words.replaceAll(STEERING, '\\ufffd');
const count = (number, one) => whole.format(number) + ' ' + one + (number === 1 ? '' : 's');

function showLedger(audit) {
  const came = audit.accepted + audit.redelivered;
  const sum = PARTS.reduce((total, name) => total + audit[name], 0);
  const isEmpty = audit.balanced && came === 0 && audit.waiting.length === 0;
  const problems = count(audit.problemCount, 'problem');
  setText('verdict', isEmpty ? 'Nothing to account for yet' : audit.balanced ? 'Balanced' : 'Not balanced: ' + problems);
  element('verdict').dataset.state = isEmpty ? 'waiting' : audit.balanced ? 'balanced' : 'off';
  setText('ledger-words', isEmpty
    ? 'Each event will be counted twice: by who accepts it, and by what becomes of it. Here both must come to the same.'
    : audit.balanced
      ? 'Each of the ' + count(audit.accepted, 'event') + ' that were accepted is accounted for' + (audit.pending > 0 ? '; ' + whole.format(audit.pending) + ' are not processed yet.' : '.')
      : 'What was accepted is not all accounted for, or not as it should be. docs/operate.md says what each problem means, and its cure.');
  for (const [name, value] of Object.entries({ ...audit, sum })) {
    const place = element('sum-' + name);
    if (place !== null) setText(place, whole.format(value));
  }
  element('row-redelivered').hidden = audit.redelivered === 0;
  element('sums').hidden = isEmpty;
  element('shallow').hidden = isEmpty;
  showPicture(audit, { came, sum, isEmpty });
  showRest(audit);
  showGaps(audit);
  setText('ledger-time', 'as of ' + clock.format(Date.now()));
}

/** What came in, above where it is. Of records that are lost nobody knows how long they are: they get a place of one length. */
function showPicture(audit, { came, sum, isEmpty }) {
  const isLost = audit.lost > 0;
  const scale = (isLost ? 950 : 1000) / Math.max(came, sum, 1);
  const bars = [];
  const bar = (name, at) => {
    const drawn = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
    drawn.setAttribute('class', name);
    for (const [attribute, value] of Object.entries(at)) drawn.setAttribute(attribute, value);
    bars.push(drawn);
  };
  const row = (names, y) => {
    // Who has little is seen all the same, at the cost of who has most.
    const widths = names.map((name) => (audit[name] === 0 ? 0 : Math.max(6, audit[name] * scale)));
    const length = names.reduce((total, name) => total + audit[name], 0) * scale;
    const most = widths.indexOf(Math.max(...widths));
    widths[most] -= widths.reduce((total, width) => total + width, 0) - length;
    let x = 0;
    for (const [place, name] of names.entries()) {
      if (widths[place] > 0) bar(name === 'bad' ? 'bad-part' : name, { x, y, width: Math.max(2, widths[place] - 2), height: 14 });
      x += widths[place];
    }
  };
  row(['accepted', 'redelivered'], 1);
  row(PARTS, 19);
  if (isLost || sum < came) bar('missing', { x: sum * scale + 1, y: 20, width: Math.max(6, 998 - sum * scale), height: 12 });
  const picture = element('sums-picture');
  const parts = PARTS.map((name) => name + ' ' + whole.format(audit[name])).join(', ');
  picture.setAttribute('aria-label', whole.format(came) + ' events came in; ' + parts + (isLost ? '; and ' + count(audit.lost, 'record') + ' lost' : ''));
  picture.replaceChildren(...bars);
  picture.toggleAttribute('hidden', isEmpty);
}

function showRest({ lost, unresolved, unwitnessed, waiting, expired, erased }) {
  const gone = [[expired, 'expired'], [erased, 'erased']].filter(([number]) => number > 0).map(([number, name]) => whole.format(number) + ' ' + name);
  const sentences = [
    [lost > 0, count(lost, 'record') + ' lost: acknowledged, and nowhere.'],
    [unresolved > 0, count(unresolved, 'record') + ' unresolved: nowhere, and not known to have been acknowledged. A collector that was killed leaves such ones.'],
    [unwitnessed > 0, count(unwitnessed, 'record') + ' not witnessed yet: their collector has not spoken of itself since. A loss behind them would not show so far.'],
    [waiting.length > 0, 'Records wait to be processed in ' + waiting.slice(0, LISTED).join(', ') + (waiting.length > LISTED ? ' and ' + count(waiting.length - LISTED, 'more lane') : '') + '.'],
    [gone.length > 0, 'Of what was stored, ' + gone.join(' and ') + ' since.'],
  ].filter(([isSo]) => isSo).map(([, words]) => words);
  const rest = element('ledger-rest');
  if (rest.textContent !== sentences.join('')) rest.replaceChildren(...sentences.map((words, place) => make('p', place === 0 && lost > 0 ? 'trouble' : 'soft', words)));
}

function showGaps({ problems, problemCount, notes }) {
  const listed = [...problems.map((gap) => ['off', gap]), ...notes.map((gap) => ['note', gap])].slice(0, LISTED);
  const drawn = listed.map(([name, gap]) => {
    const places = [
      ['lane', gap.lane], ['position', gap.sequence], ['hour', gap.hour], ['source', gap.source],
      ['collector', gap.collector], ['number', gap.number], ['event', gap.eventId],
    ].filter(([, value]) => value !== undefined && value !== '').map(([word, value]) => word + ' ' + value);
    return make('li', name, make('strong', '', (name === 'note' ? 'note: ' : '') + gap.kind), gap.detail, make('p', 'soft', places.join(' · ')));
  });
  const list = element('gaps');
  if (list.textContent !== drawn.map((item) => item.textContent).join('')) list.replaceChildren(...drawn);
  list.hidden = drawn.length === 0;
  const more = problemCount + notes.length - listed.length;
  setText('gaps-more', more > 0 ? 'And ' + whole.format(more) + ' more: clickstream audit names them.' : '');
}

function showReasons({ reasons, kinds: all, counted, complete }) {
  kinds = new Map(reasons.slice(0, LISTED).map((reason) => {
    const key = JSON.stringify([reason.source, reason.code, reason.eventType, reason.detail]);
    const kind = kinds.get(key) || newKind(reason);
    kind.show(reason);
    return [key, kind];
  }));
  const items = [...kinds.values()].map(({ item }) => item);
  const list = element('kinds');
  if (list.children.length !== items.length || items.some((item, place) => list.children[place] !== item)) list.replaceChildren(...items);
  element('reasons').hidden = items.length === 0;
  element('no-reasons').hidden = items.length > 0;
  const more = all > items.length ? ' And ' + count(all - items.length, 'more kind') + ': clickstream bad reasons lists them.' : '';
  setText('reasons-more', (complete ? '' : 'Counted among the newest ' + whole.format(counted) + '.') + more);
}

/** It stays the same element while its numbers change, so that focus and what is selected stay too. */
function newKind({ source, code, eventType, detail }) {
  const amount = make('span', '');
  const link = make('a', '');
  const advice = make('p', 'soft');
  const command = make('pre', '');
  const back = make('details', '', make('summary', '', 'put back'), advice, command);
  const type = eventType === null ? 'no type that could be read' : visible(eventType);
  const name = make('span', '', make('strong', '', code), make('bdi', '', type));
  const about = make('p', 'soft', 'source ', make('bdi', '', source), ', for example ', link);
  const item = make('li', '', make('div', 'kind', name, amount), make('p', 'soft', make('bdi', '', visible(detail))), about, back);
  let newest;
  link.addEventListener('click', (event) => {
    event.preventDefault();
    showBytes(newest);
  });
  const show = (reason) => {
    newest = reason.example;
    link.setAttribute('href', '/api/v1/bad/' + encodeURIComponent(newest));
    setText(amount, whole.format(reason.count) + ', ' + (reason.waiting === 0 ? 'none' : reason.waiting === reason.count ? 'all' : whole.format(reason.waiting)) + ' waiting');
    setText(link, newest);
    const [words, line] = wayBack(reason);
    setText(advice, words);
    setText(command, line);
    back.hidden = reason.waiting === 0;
  };
  return { item, show };
}

/** What is typed to put them back. A type is the tracker's: it is quoted, and one that could steer a terminal is left out. */
function wayBack({ source, code, eventType, example }) {
  const server = ' --url ' + quoted(location.origin) + (token === null ? '' : ' --token "$TOKEN"');
  const replay = (...words) => 'clickstream bad replay ' + words.map(quoted).join(' ') + server;
  const isSchema = code.startsWith('schema_');
  if (isSchema && eventType !== null && visible(eventType) === eventType) {
    return ['Mend the schema. Then this puts back all of this type and source that wait:', replay('--all', '--code', code, '--type', eventType, '--source', source)];
  }
  if (isSchema) return ['Mend the schema. Then this puts back the one named above:', replay(example)];
  return ['It is no valid event as it came. Save its bytes, mend them, and put that back:', 'clickstream bad show ' + example + server + ' > event.json\\n' + replay(example, '--edit', 'event.json')];
}

function quoted(word) {
  return /^[\\w.:/-]+$/.test(word) ? word : "'" + word.replaceAll("'", "'\\\\''") + "'";
}

/** Asked for here and not by following the link, which could not carry the token. */
async function showBytes(id) {
  let words;
  try {
    const bad = await ask('/api/v1/bad/' + encodeURIComponent(id), LEDGER_ANSWER_MS);
    if (bad === undefined) return;
    words = bad.receivedAt + '  ' + bad.code + '  ' + bad.source + '\\n' + visible(bad.detail) + '\\n\\n' + bad.payload.split('\\n').map(visible).join('\\n');
  } catch (error) {
    words = 'It could not be read: ' + wordsOf(error);
  }
  setText('bytes-title', 'Set aside: ' + id);
  setText('bytes', words);
  element('bytes').focus();
}
`;

const SUMS = ROWS.map(([name, what]) => {
  const part = name === 'bad' ? 'bad-part' : name;
  return `<tr id="row-${name}" class="${part}"><th scope="row"><i aria-hidden="true"></i>${name}</th><td class="number" id="sum-${name}">–</td><td>${what}</td></tr>`;
}).join('\n');

export const LEDGER_MARKUP = `<div class="pair">
<section class="card" aria-labelledby="ledger-title">
<div class="chart-head"><h2 id="ledger-title">Ledger</h2><span id="ledger-time"></span></div>
<p class="verdict" id="verdict" role="status" data-state="waiting">Not read yet</p>
<p id="ledger-words" hidden></p>
<p id="ledger-trouble" class="trouble" role="status" hidden></p>
<svg id="sums-picture" role="img" aria-label="What came in, and where it is" viewBox="0 0 1000 34" preserveAspectRatio="none" hidden></svg>
<table class="sums" id="sums" aria-labelledby="ledger-title" hidden>
<tbody>
${SUMS}
</tbody>
</table>
<div id="ledger-rest"></div>
<ul class="list" id="gaps" aria-label="Problems and notes" hidden></ul>
<p id="gaps-more" class="soft" hidden></p>
<p class="soft" id="shallow" hidden>Whether each stored event still lies in the store is not looked at here: <code>clickstream audit</code> counts them one by one.</p>
</section>
<section class="card" aria-labelledby="reasons-title">
<h2 id="reasons-title">Set aside, by reason</h2>
<p id="no-reasons" class="soft">None. What is no valid event, or does not fit its schema, is kept with its reason and all its bytes, and listed here with the way back.</p>
<div id="reasons" hidden>
<ul class="list" id="kinds"></ul>
<p id="reasons-more" class="soft" hidden></p>
<h3 id="bytes-title" hidden></h3>
<pre id="bytes" tabindex="0" role="region" aria-labelledby="bytes-title" hidden></pre>
</div>
</section>
</div>`;
