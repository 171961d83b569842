import { pageStyle } from './page-style.ts';

const columns = ['Call', 'From', 'To', 'State', 'Codec', 'Time', 'Stream', 'MOS', 'Loss', ''];

/** `GET /`: live calls and what happens to them, in a page without anything from elsewhere. Everything that came from
 *  a caller goes into it as text, never as markup. */
export const dashboardPage = `<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Callwire</title><style>${pageStyle}
body{font-size:15px;max-width:90rem}
header{align-items:baseline;display:flex;flex-wrap:wrap;gap:.3rem 1.5rem;justify-content:space-between}
#state{border:1px solid;border-radius:1rem;color:var(--soft);font-size:.9rem;font-weight:700;padding:.1rem .6rem;vertical-align:middle}
#state.ready{color:var(--good)}#state.draining,#state.starting{color:var(--busy)}#state.bad,#notice{color:var(--bad)}
.empty{color:var(--soft)}
td,th{overflow-wrap:normal;padding:.35rem .8rem .35rem 0;vertical-align:middle}
th{border:0;color:var(--soft);font-size:.85em}
td:first-child{font-family:ui-monospace,monospace;font-size:.85em}
td:nth-child(6),td:nth-child(8),td:nth-child(9){font-variant-numeric:tabular-nums;white-space:nowrap}
td:nth-child(2),td:nth-child(3),td:nth-child(7){overflow-wrap:anywhere}
td:last-child{padding-right:0;text-align:right}
button{background:none;border:1px solid var(--line);border-radius:.4rem;color:inherit;cursor:pointer;font:inherit;padding:.15rem .7rem;white-space:nowrap}
button:hover,button:focus-visible{border-color:var(--bad);color:var(--bad)}
#events{background:var(--panel);border-radius:.4rem;font:13px/1.6 ui-monospace,monospace;list-style:none;margin:0;max-height:24rem;overflow:auto;padding:.6rem .9rem}
#events:empty::before{color:var(--soft);content:"Nothing since this page was opened."}
#events time,#events i{color:var(--soft);font-style:normal}
@media (max-width:60rem){
thead{display:none}
tbody tr{border:1px solid var(--line);border-radius:.4rem;display:block;margin-bottom:.7rem;padding:.4rem .8rem}
tbody td{border:0;display:grid;gap:.6rem;grid-template-columns:4.5rem 1fr;overflow-wrap:anywhere;padding:.1rem 0;white-space:normal}
tbody td::before{color:var(--soft);content:attr(data-name);font:13px/1.7 system-ui,sans-serif}
tbody td.nothing{display:none}
td:last-child{text-align:left}
button{justify-self:start;padding:.4rem .9rem}
}
</style></head><body>
<header><h1>Callwire <span id="state" role="status">…</span></h1><nav><a href="/docs">HTTP API</a><a href="/metrics">metrics</a></nav></header>
<p id="notice" role="alert" hidden></p>
<h2>Live calls: <span id="count">0</span></h2>
<table id="table" hidden><thead><tr>${columns.map((name) => `<th scope="col">${name}</th>`).join('')}</tr></thead><tbody id="calls"></tbody></table>
<p id="none" class="empty">No calls at the moment.</p><p id="more" class="empty" hidden></p>
<h2>Events</h2><ul id="events"></ul>
<script src="/dashboard.js"></script></body></html>`;

/** Rows are kept and changed in place, so that a button can be pressed and a text be marked while calls go on. */
export const dashboardScript = `'use strict';
const columns = ${JSON.stringify(columns)};
const rowsMax = 500;
const rows = new Map();
const byId = (id) => document.getElementById(id);
function duration(seconds) {
  const whole = Math.floor(seconds);
  const clock = [Math.floor(whole / 60) % 60, whole % 60].map((part) => String(part).padStart(2, '0')).join(':');
  return whole < 3600 ? clock : Math.floor(whole / 3600) + ':' + clock;
}
function notice(text) {
  byId('notice').textContent = text;
  byId('notice').hidden = text === '';
}
async function hangUp(call) {
  if (!confirm('End the call from ' + call.from + ' to ' + call.to + '?')) return;
  try {
    const answer = await fetch('/calls/' + encodeURIComponent(call.callId), { method: 'DELETE' });
    const gone = answer.ok || answer.status === 404;
    notice(gone ? '' : call.callId + ' was not ended: ' + ((await answer.json()).message || answer.status));
  } catch {
    notice(call.callId + ' was not ended: the gateway is not reachable');
  }
  refresh();
}
function createRow(call) {
  const row = document.createElement('tr');
  for (const name of columns) {
    const cell = document.createElement('td');
    cell.dataset.name = name;
    row.append(cell);
  }
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = 'Hang up';
  button.onclick = () => hangUp(call);
  row.lastChild.append(button);
  return row;
}
function fill(row, call) {
  const { quality = {}, stream } = call;
  const lost = quality.lossIn === undefined ? quality.lossOut : Math.max(quality.lossIn, quality.lossOut || 0);
  const texts = [call.callId, call.from, call.to, call.state, call.codec, call.answeredAt && duration(call.durationSeconds),
    stream && stream.endpoint + ' at ' + stream.sampleRate / 1000 + ' kHz', quality.mos && quality.mos.toFixed(1),
    lost === undefined ? '' : (lost * 100).toFixed(1) + ' %'];
  texts.forEach((text, column) => {
    const cell = row.children[column];
    const shown = text === undefined ? '' : String(text);
    if (cell.textContent !== shown) cell.textContent = shown;
    cell.classList.toggle('nothing', shown === '');
  });
}
function show(calls) {
  const shown = calls.slice(0, rowsMax);
  const live = new Set(shown.map(({ callId }) => callId));
  for (const [callId, row] of rows) {
    if (live.has(callId)) continue;
    row.remove();
    rows.delete(callId);
  }
  for (const call of shown) {
    let row = rows.get(call.callId);
    if (row === undefined) {
      row = createRow(call);
      rows.set(call.callId, row);
      byId('calls').append(row);
    }
    fill(row, call);
  }
  byId('count').textContent = String(calls.length);
  byId('table').hidden = calls.length === 0;
  byId('none').hidden = calls.length > 0;
  byId('more').hidden = calls.length <= rowsMax;
  byId('more').textContent = 'The first ' + rowsMax + ' are shown.';
}
function state(text, kind) {
  byId('state').textContent = text;
  byId('state').className = kind;
}
let busy = false;
async function refresh() {
  if (busy) return;
  busy = true;
  try {
    const [ready, calls] = await Promise.all([fetch('/readyz'), fetch('/calls')]);
    const now = (await ready.json()).state;
    state(now, now);
    if (calls.ok) show((await calls.json()).calls);
    else notice('The calls cannot be read: HTTP ' + calls.status);
  } catch {
    state('not reachable', 'bad');
  } finally {
    busy = false;
  }
}
function part(name, text) {
  const element = document.createElement(name);
  element.textContent = text;
  return element;
}
const kinds = ['call.started', 'call.ringing', 'call.answered', 'call.action', 'call.ended', 'conference.joined', 'conference.left',
  'recording.started', 'recording.finished', 'recording.available', 'recording.failed', 'dropped'];
const events = new EventSource('/events');
for (const kind of kinds) {
  events.addEventListener(kind, (message) => {
    const { type, callId, timestamp, applicationKey, ...rest } = JSON.parse(message.data);
    const more = Object.entries(rest).map(([key, value]) => key + '=' + (typeof value === 'object' ? JSON.stringify(value) : value));
    const time = part('time', (timestamp ? new Date(timestamp) : new Date()).toLocaleTimeString());
    const item = document.createElement('li');
    item.append(time, ' ', part('b', kind), ' ', callId || '', ' ', part('i', more.join(' ')));
    byId('events').prepend(item);
    while (byId('events').children.length > 200) byId('events').lastChild.remove();
    refresh();
  });
}
setInterval(refresh, 2000);
refresh();
`;
