/** `GET /`: live calls and what happens to them, in a page without anything from elsewhere. Everything that came from
 *  a caller goes into it as text, never as markup. */
export const dashboardPage = `<!doctype html><html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width"><title>Callwire</title><style>
:root{color-scheme:light dark;--line:#8884}
body{font:15px/1.5 system-ui,sans-serif;margin:0 auto;max-width:80rem;padding:1rem}
table{border-collapse:collapse;width:100%}
td,th{border-top:1px solid var(--line);padding:.3rem .6rem .3rem 0;text-align:left;white-space:nowrap}
.wrap{overflow-x:auto}
#state{font-weight:700}
#events{font:13px/1.5 ui-monospace,monospace;list-style:none;max-height:20rem;overflow:auto;padding:0}
button{font:inherit}
</style></head><body>
<h1>Callwire</h1>
<p><span id="state" role="status">…</span> · <span id="count">0</span> calls · <a href="/docs">API</a> · <a href="/metrics">metrics</a></p>
<div class="wrap"><table><thead><tr><th>Call</th><th>From</th><th>To</th><th>State</th><th>Codec</th><th>Time</th><th>Stream</th><th>MOS</th><th>Loss</th><th></th></tr></thead><tbody id="calls"></tbody></table></div>
<h2>Events</h2><ul id="events"></ul>
<script src="/dashboard.js"></script></body></html>`;

export const dashboardScript = `'use strict';
const byId = (id) => document.getElementById(id);
function cell(row, text) {
  const td = document.createElement('td');
  td.textContent = text === undefined ? '' : String(text);
  row.append(td);
  return td;
}
function duration(seconds) {
  const whole = Math.floor(seconds);
  return Math.floor(whole / 60) + ':' + String(whole % 60).padStart(2, '0');
}
function show(calls) {
  byId('count').textContent = String(calls.length);
  byId('calls').replaceChildren(...calls.slice(0, 500).map((call) => {
    const row = document.createElement('tr');
    const { quality = {}, stream } = call;
    for (const text of [call.callId, call.from, call.to, call.state, call.codec, duration(call.durationSeconds),
      stream && stream.endpoint + ' ' + stream.sampleRate / 1000 + ' kHz', quality.mos && quality.mos.toFixed(1),
      quality.lossIn === undefined ? '' : (quality.lossIn * 100).toFixed(1) + ' %']) cell(row, text);
    const button = document.createElement('button');
    button.textContent = 'Hang up';
    button.onclick = () => fetch('/calls/' + encodeURIComponent(call.callId), { method: 'DELETE' }).then(refresh);
    cell(row).append(button);
    return row;
  }));
}
let busy = false;
async function refresh() {
  if (busy) return;
  busy = true;
  try {
    const [ready, calls] = await Promise.all([fetch('/readyz'), fetch('/calls')]);
    byId('state').textContent = (await ready.json()).state;
    if (calls.ok) show((await calls.json()).calls);
  } catch {
    byId('state').textContent = 'not reachable';
  } finally {
    busy = false;
  }
}
const kinds = ['call.started', 'call.ringing', 'call.answered', 'call.action', 'call.ended', 'conference.joined', 'conference.left',
  'recording.started', 'recording.finished', 'recording.available', 'recording.failed', 'dropped'];
const events = new EventSource('/events');
for (const kind of kinds) {
  events.addEventListener(kind, (message) => {
    const { type, callId, timestamp, applicationKey, ...rest } = JSON.parse(message.data);
    const item = document.createElement('li');
    const more = Object.entries(rest).map(([key, value]) => key + '=' + (typeof value === 'object' ? JSON.stringify(value) : value));
    item.textContent = [timestamp || '', kind, callId || '', ...more].join(' ');
    byId('events').prepend(item);
    while (byId('events').children.length > 200) byId('events').lastChild.remove();
    refresh();
  });
}
setInterval(refresh, 2000);
refresh();
`;
