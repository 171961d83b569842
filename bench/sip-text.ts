/** The few SIP messages that a phone under load needs, as text by template, and the few facts it reads from the
 *  answers. A caller of the harness's own: what it tests should not check itself. RFC 3261 §8, §12, §13. */

export interface DialogFacts {
  readonly callId: string;
  readonly fromTag: string;
  /** Our user part. */
  readonly user: string;
  /** HOST:PORT of our SIP socket. */
  readonly local: string;
  /** The URI that was dialled. */
  readonly target: string;
}

export interface RemoteFacts {
  /** The whole To header with its tag. */
  readonly to: string;
  /** Contact of the far side: where requests inside the dialog go. */
  readonly contact: string;
  /** Record-Route, in the order in which we use it. */
  readonly routes: readonly string[];
}

export function inviteText(dialog: DialogFacts, branch: string, sdp: string): string {
  return (
    `INVITE ${dialog.target} SIP/2.0\r\n` +
    head(dialog, branch, `<${dialog.target}>`, '1 INVITE') +
    `Contact: <sip:${dialog.user}@${dialog.local}>\r\n` +
    'Allow: INVITE, ACK, CANCEL, BYE, OPTIONS\r\n' +
    'User-Agent: callwire-bench\r\n' +
    `X-Bench-Call: ${dialog.user}\r\n` +
    'Content-Type: application/sdp\r\n' +
    `Content-Length: ${sdp.length}\r\n\r\n${sdp}`
  );
}

/** ACK of a 2xx: a transaction of its own, along the route set. */
export function ackText(dialog: DialogFacts, remote: RemoteFacts, branch: string): string {
  return (
    `ACK ${remote.contact} SIP/2.0\r\n` +
    routeLines(remote) +
    head(dialog, branch, remote.to, '1 ACK') +
    'Content-Length: 0\r\n\r\n'
  );
}

/** ACK of a refusal: in the INVITE's transaction (§17.1.1.3). */
export function refusalAckText(dialog: DialogFacts, to: string, branch: string): string {
  return `ACK ${dialog.target} SIP/2.0\r\n${head(dialog, branch, to, '1 ACK')}Content-Length: 0\r\n\r\n`;
}

export function byeText(dialog: DialogFacts, remote: RemoteFacts, branch: string): string {
  return (
    `BYE ${remote.contact} SIP/2.0\r\n` +
    routeLines(remote) +
    head(dialog, branch, remote.to, '2 BYE') +
    'Content-Length: 0\r\n\r\n'
  );
}

function head(dialog: DialogFacts, branch: string, to: string, cseq: string): string {
  return (
    `Via: SIP/2.0/UDP ${dialog.local};branch=z9hG4bK${branch};rport\r\n` +
    'Max-Forwards: 70\r\n' +
    `From: <sip:${dialog.user}@${dialog.local}>;tag=${dialog.fromTag}\r\n` +
    `To: ${to}\r\n` +
    `Call-ID: ${dialog.callId}\r\n` +
    `CSeq: ${cseq}\r\n`
  );
}

function routeLines(remote: RemoteFacts): string {
  return remote.routes.map((route) => `Route: ${route}\r\n`).join('');
}

/** A bodiless response to a request of the far side, its own headers copied back (§8.2.6). */
export function responseText(request: SipText, statusLine: string): string {
  const copied = ['via', 'from', 'to', 'call-id', 'cseq']
    .flatMap((name) => request.values(name).map((value) => `${headerNames[name]}: ${value}\r\n`))
    .join('');
  return `SIP/2.0 ${statusLine}\r\n${copied}Content-Length: 0\r\n\r\n`;
}

const headerNames: Readonly<Record<string, string>> = {
  via: 'Via',
  from: 'From',
  to: 'To',
  'call-id': 'Call-ID',
  cseq: 'CSeq',
};

const compactNames: Readonly<Record<string, string>> = {
  v: 'via',
  f: 'from',
  t: 'to',
  i: 'call-id',
  m: 'contact',
};

/** A received message. Undefined from `parse` where it is none. */
export class SipText {
  /** 0 for a request. */
  readonly status: number;
  /** Method of the request, or of the CSeq. */
  readonly method: string;
  readonly body: string;
  readonly #headers = new Map<string, string[]>();

  private constructor(status: number, startMethod: string, lines: readonly string[], body: string) {
    this.status = status;
    this.body = body;
    for (const line of lines) {
      const colon = line.indexOf(':');
      if (colon < 0) continue;
      const short = line.slice(0, colon).trim().toLowerCase();
      const name = compactNames[short] ?? short;
      const values = this.#headers.get(name);
      const value = line.slice(colon + 1).trim();
      if (values === undefined) this.#headers.set(name, [value]);
      else values.push(value);
    }
    this.method = status === 0 ? startMethod : (this.value('cseq')?.split(/\s+/)[1] ?? '');
  }

  static parse(text: string): SipText | undefined {
    const end = text.indexOf('\r\n\r\n');
    if (end < 0) return undefined;
    const lines = text.slice(0, end).split('\r\n');
    const start = lines.shift() ?? '';
    const body = text.slice(end + 4);
    if (start.startsWith('SIP/2.0 ')) {
      const status = Number(start.slice(8, 11));
      return Number.isInteger(status) && status >= 100 ? new SipText(status, '', lines, body) : undefined;
    }
    if (!start.endsWith(' SIP/2.0')) return undefined;
    return new SipText(0, start.slice(0, start.indexOf(' ')), lines, body);
  }

  value(name: string): string | undefined {
    return this.#headers.get(name)?.[0];
  }

  values(name: string): readonly string[] {
    return this.#headers.get(name) ?? [];
  }

  /** What the dialog needs of a 2xx; undefined where To or Contact is missing. */
  remoteFacts(): RemoteFacts | undefined {
    const to = this.value('to');
    const contact = this.value('contact');
    if (to === undefined || contact === undefined) return undefined;
    const routes = this.values('record-route')
      .flatMap((value) => value.split(/,(?=\s*<)/))
      .map((route) => route.trim())
      .reverse();
    return { to, contact: /<([^>]+)>/.exec(contact)?.[1] ?? contact.split(';')[0]!, routes };
  }
}

export interface OfferedMedia {
  readonly address: string;
  readonly port: number;
  readonly rtcpPort: number;
  readonly payloadType: number;
  /** As in an rtpmap line: `PCMU/8000`. */
  readonly rtpmap: string;
}

/** Telephone-event is offered as every phone offers it: without it digits would be looked for in the audio. */
const eventPayloadType = 101;

/** RTCP goes to one port for all phones (RFC 3605): nothing but RTP reaches the sockets that are measured. */
export function offerSdp(media: OfferedMedia): string {
  const family = media.address.includes(':') ? 'IP6' : 'IP4';
  return (
    `v=0\r\no=- 1 1 IN ${family} ${media.address}\r\ns=-\r\nc=IN ${family} ${media.address}\r\nt=0 0\r\n` +
    `m=audio ${media.port} RTP/AVP ${media.payloadType} ${eventPayloadType}\r\n` +
    `a=rtpmap:${media.payloadType} ${media.rtpmap}\r\n` +
    `a=rtpmap:${eventPayloadType} telephone-event/8000\r\na=rtcp:${media.rtcpPort}\r\na=ptime:20\r\na=sendrecv\r\n`
  );
}

/** Where the audio of an answer goes to; undefined where it was refused or cannot be read. */
export function readAnswerSdp(sdp: string): { readonly address: string; readonly port: number } | undefined {
  const media = /^m=audio (\d+) /m.exec(sdp);
  if (media === null) return undefined;
  const port = Number(media[1]);
  const own = /^c=IN IP[46] (\S+)/m.exec(sdp.slice(media.index));
  const address = own?.[1] ?? /^c=IN IP[46] (\S+)/m.exec(sdp)?.[1];
  return address === undefined || port === 0 ? undefined : { address, port };
}
