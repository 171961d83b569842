import { mkdtempSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type Certificate, createCertificate } from '../../../bench/certificate.ts';
import { systemClock } from '../../../gateway/clock.ts';
import { systemNetwork } from '../../../gateway/network.ts';
import { CertificateWatch } from '../../../gateway/signaling/certificate-watch.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { type Agent, closeAgents, createAgent } from './agents.ts';

const [first, second] = [createCertificate(Date.now()), createCertificate(Date.now())];
let directory: string;
let watch: CertificateWatch | undefined;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'callwire-certificate-'));
});

afterEach(async () => {
  watch?.close();
  await closeAgents();
  rmSync(directory, { recursive: true, force: true });
});

/** Whose certificate a new connection is shown: `first`, `second`. */
function shownBy(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false }, () => {
      const der = socket.getPeerCertificate().raw.toString('base64');
      const of = ({ cert }: Certificate): string => cert.replace(/-----[^-]+-----|\s/g, '');
      resolve(der === of(first) ? 'first' : der === of(second) ? 'second' : 'another');
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

const write = (name: string, text: string): void => writeFileSync(join(directory, name), text);

async function open() {
  write('cert.pem', first.cert);
  write('key.pem', first.key);
  const clock = new FakeClock();
  const lines: string[] = [];
  const agent: Agent = await createAgent(
    { clock: systemClock, network: systemNetwork },
    { listen: [{ protocol: 'tls', address: '127.0.0.1', port: 0 }], tls: first },
  );
  watch = new CertificateWatch({
    files: { cert: join(directory, 'cert.pem'), key: join(directory, 'key.pem') },
    setting: 'sip.tls',
    clock,
    log: { info: (_fields, line) => lines.push(line), warn: (_fields, line) => lines.push(line) },
    reload: (certificate) => agent.userAgent.reloadTls(certificate),
  });
  await watch.start();
  return { clock, agent, lines, port: agent.port };
}

/** Files are read in real time. */
async function nextLook(clock: FakeClock): Promise<void> {
  await clock.advance(60_000);
  await vi.waitFor(() => expect(clock.timers).toBe(1));
}

describe('a certificate', () => {
  it('that is replaced is shown to those who connect from then on, and calls go on', async () => {
    const { clock, agent, lines, port } = await open();
    const world = { clock: systemClock, network: systemNetwork };
    const caller = await createAgent(world, {
      listen: [{ protocol: 'udp', address: '127.0.0.1', port: 0 }],
      tls: { ca: first.cert },
      seed: 3,
    });
    agent.on.invited = (session) => session.progress(180);
    const session = caller.call(agent);
    await vi.waitFor(() => expect(caller.events).toEqual(['progressed:180']));
    expect(await shownBy(port)).toBe('first');
    await nextLook(clock);
    expect(lines).toEqual([]);

    write('cert.pem', second.cert);
    write('key.pem', second.key);
    await nextLook(clock);
    expect([lines, await shownBy(port)]).toEqual([['certificate reloaded'], 'second']);
    await nextLook(clock);
    expect(lines).toHaveLength(1);
    session.end({ status: 487 });
    await vi.waitFor(() => expect(agent.events).toEqual(['ended:cancel']));
  });

  it('of which one half is new stays out until the other half comes', async () => {
    const { clock, lines, port } = await open();
    write('cert.pem', second.cert);
    await nextLook(clock);
    await nextLook(clock);
    expect([lines, await shownBy(port)]).toEqual([['certificate not reloaded, the old one stays'], 'first']);
    write('key.pem', second.key);
    await nextLook(clock);
    expect([lines.at(-1), await shownBy(port)]).toEqual(['certificate reloaded', 'second']);
  });

  it('behind a symbolic link that is turned is seen', async () => {
    const { clock, port } = await open();
    for (const name of ['cert', 'key'] as const) {
      write(`${name}-2.pem`, second[name]);
      unlinkSync(join(directory, `${name}.pem`));
      symlinkSync(join(directory, `${name}-2.pem`), join(directory, `${name}.pem`));
    }
    await nextLook(clock);
    expect(await shownBy(port)).toBe('second');
  });

  it('is read at once where somebody asks for it', async () => {
    const { lines, port } = await open();
    expect(await watch!.reload()).toBe(true);
    write('cert.pem', second.cert);
    write('key.pem', second.key);
    expect(await watch!.reload()).toBe(true);
    expect(await shownBy(port)).toBe('second');
    unlinkSync(join(directory, 'key.pem'));
    expect(await watch!.reload()).toBe(false);
    expect([lines.at(-1), await shownBy(port)]).toEqual([
      'certificate not reloaded, the old one stays',
      'second',
    ]);
  });
});
