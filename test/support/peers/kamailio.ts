import { createSocket } from 'node:dgram';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { findPeer } from './installed.ts';
import { type Processes, type Running, tail } from './processes.ts';

const moduleDirectories = [
  '/usr/lib/x86_64-linux-gnu/kamailio/modules',
  '/usr/lib/aarch64-linux-gnu/kamailio/modules',
  '/usr/lib/kamailio/modules',
  '/usr/lib64/kamailio/modules',
  '/usr/local/lib/kamailio/modules',
  '/usr/local/lib64/kamailio/modules',
];
const modules = ['kex', 'tm', 'sl', 'rr', 'pv', 'maxfwd', 'textops', 'siputils', 'dispatcher'];

export const kamailio = findPeer('kamailio', 'kamailio', moduleDirectories);

export interface KamailioOptions {
  /** Literal addresses to listen at, over UDP and TCP. */
  readonly addresses: readonly string[];
  /** Where calls to a user go whose name ends in `-` and this key: each call to the next of them. */
  readonly servers: Readonly<Record<string, readonly string[]>>;
  /** An empty directory of its own. */
  readonly directory: string;
}

export interface Kamailio {
  readonly port: number;
  /** What it logged so far. */
  readonly log: string;
}

const readyLimitMs = 15_000;

/** A record-routing proxy that hands calls out in turn, and to the next server where one says 503. */
export async function startKamailio(processes: Processes, options: KamailioOptions): Promise<Kamailio> {
  const { directory } = options;
  mkdirSync(join(directory, 'run'), { recursive: true });
  const sets = Object.entries(options.servers);
  writeFileSync(
    join(directory, 'dispatcher.list'),
    sets.flatMap(([, uris], index) => uris.map((uri) => `${index + 1} ${uri}\n`)).join(''),
  );
  for (let attempt = 1; ; attempt++) {
    const port = await freePort();
    const file = join(directory, 'kamailio.cfg');
    writeFileSync(
      file,
      configText(
        port,
        options,
        sets.map(([key]) => key),
      ),
    );
    const running = processes.start(kamailio.path ?? 'kamailio', [
      ...['-f', file, '-DD', '-E', '-m', '16', '-M', '4', '-w', directory],
      ...['-P', join(directory, 'kamailio.pid'), '-Y', join(directory, 'run')],
    ]);
    try {
      await whenReady(running, port);
    } catch (error) {
      if (attempt >= 3) throw error;
      continue;
    }
    return {
      port,
      get log() {
        return running.stderr;
      },
    };
  }
}

/** Asks for OPTIONS until it answers. */
async function whenReady(running: Running, port: number): Promise<void> {
  const socket = createSocket('udp4');
  let answered = false;
  let ended = false;
  socket.on('message', () => {
    answered = true;
  });
  running.ended.then(
    () => {
      ended = true;
    },
    () => {
      ended = true;
    },
  );
  const deadlineMs = performance.now() + readyLimitMs;
  try {
    await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
    const own = socket.address().port;
    for (let turn = 0; !answered; turn++) {
      if (ended || performance.now() > deadlineMs) {
        throw new Error(
          `Kamailio ${ended ? 'ended' : `did not answer within ${readyLimitMs} ms`}\n${tail(running.stderr)}`,
        );
      }
      const lines = [
        `OPTIONS sip:127.0.0.1:${port} SIP/2.0`,
        `Via: SIP/2.0/UDP 127.0.0.1:${own};branch=z9hG4bKready${turn}`,
        'From: <sip:test@127.0.0.1>;tag=1',
        `To: <sip:127.0.0.1:${port}>`,
        `Call-ID: ready-${own}-${turn}`,
        'CSeq: 1 OPTIONS',
        'Max-Forwards: 5',
        'Content-Length: 0',
      ];
      socket.send(`${lines.join('\r\n')}\r\n\r\n`, port, '127.0.0.1');
      await new Promise((resume) => setTimeout(resume, 100));
    }
  } finally {
    socket.close();
  }
}

function configText(
  port: number,
  { addresses, directory }: KamailioOptions,
  keys: readonly string[],
): string {
  const listen = addresses.flatMap((address) => {
    const host = address.includes(':') ? `[${address}]` : address;
    return [`listen=udp:${host}:${port}`, `listen=tcp:${host}:${port}`];
  });
  const chosen = keys.map((key, index) => `  if ($rU =~ "-${key}$") { $var(set) = ${index + 1}; }`);
  return `#!KAMAILIO
debug=1
log_stderror=yes
children=2
tcp_children=2
auto_aliases=no
dns=no
rev_dns=no
tcp_connection_lifetime=120
${listen.join('\n')}
mpath="${moduleDirectories.find((path) => existsSync(path)) ?? ''}/"
${modules.map((name) => `loadmodule "${name}.so"`).join('\n')}
modparam("rr", "enable_full_lr", 1)
modparam("tm", "fr_timer", 4000)
modparam("dispatcher", "list_file", "${join(directory, 'dispatcher.list')}")
modparam("dispatcher", "flags", 2)

request_route {
  if (!mf_process_maxfwd_header("20")) { sl_send_reply("483", "Too Many Hops"); exit; }
  if (is_method("CANCEL")) {
    if (t_check_trans()) { t_relay(); }
    exit;
  }
  if (has_totag()) {
    if (loose_route()) { t_relay(); exit; }
    if (is_method("ACK")) {
      if (t_check_trans()) { t_relay(); }
      exit;
    }
    sl_send_reply("404", "Not Here");
    exit;
  }
  if (is_method("OPTIONS")) { sl_send_reply("200", "OK"); exit; }
  t_check_trans();
  remove_hf("Route");
  record_route();
  $var(set) = 0;
${chosen.join('\n')}
  # 4: each call to the next.
  if (!ds_select_dst("$var(set)", "4")) { sl_send_reply("404", "No Server"); exit; }
  t_on_failure("NEXT");
  if (!t_relay()) { sl_reply_error(); }
}

failure_route[NEXT] {
  if (t_is_canceled()) { exit; }
  if (t_check_status("503") || (t_branch_timeout() && !t_branch_replied())) {
    if (ds_next_dst()) {
      t_on_failure("NEXT");
      t_relay();
    }
  }
}
`;
}
