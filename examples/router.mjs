// A call router in thirty lines: it is asked what to do with each call, and told when the call is over.
//   node examples/router.mjs &
//   npx callwire serve --config examples/router.yaml
import { createHash, createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import { buffer } from 'node:stream/consumers';

const { KEY = 'test-app', SECRET = 'c2VjcmV0LXNlY3JldA==', BOT = 'ws://127.0.0.1:9000/' } = process.env;

/** The gateway signs what it sends; nobody else may tell us about calls. */
function isSigned({ method, url, headers }, body) {
  const md5 = createHash('md5').update(body).digest('base64');
  const lines = [method, md5, headers['content-type'], `x-timestamp:${headers['x-timestamp']}`, url];
  const hmac = createHmac('sha256', Buffer.from(SECRET, 'base64')).update(lines.join('\n'));
  return headers.authorization === `Application ${KEY}:${hmac.digest('base64')}`;
}

const router = createServer(async (request, response) => {
  const body = await buffer(request);
  if (!isSigned(request, body)) return response.writeHead(401).end();
  const { event, callid, cli, to, result, reason, duration } = JSON.parse(body);
  if (event === 'dice') console.log(`${callid} is over: ${result} ${reason}, ${duration} s`);
  if (event !== 'ice') return response.end('{}');
  console.log(`${callid}: ${cli} calls ${to.endpoint}`);
  // sip:room1@… meets whoever else is in room1; everybody else talks to the bot.
  const action = to.endpoint.startsWith('room')
    ? { name: 'connectConf', conferenceId: to.endpoint, moh: 'ring' }
    : { name: 'connectStream', destination: { type: 'Websocket', endpoint: BOT }, maxDuration: 3600 };
  return response.end(JSON.stringify({ action }));
});
router.listen(Number(process.argv[2] ?? process.env.PORT ?? 9100), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${router.address().port}/`);
});
