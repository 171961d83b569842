import { describe, expect, it } from 'vitest';
import { resolveTarget } from '../../../gateway/signaling/target-resolver.ts';

const nobody = async (): Promise<string[]> => [];

describe('resolveTarget', () => {
  it.each([
    ['sip:192.0.2.1', 'udp', '192.0.2.1', 5060],
    ['sip:a@192.0.2.1:5070', 'udp', '192.0.2.1', 5070],
    ['sip:a@192.0.2.1;transport=TCP', 'tcp', '192.0.2.1', 5060],
    ['sip:a@192.0.2.1;transport=tls', 'tls', '192.0.2.1', 5061],
    ['sips:a@192.0.2.1', 'tls', '192.0.2.1', 5061],
    ['sips:a@192.0.2.1;transport=tcp', 'tls', '192.0.2.1', 5061],
    ['sip:a@[2001:db8::1]:5070', 'udp', '2001:db8::1', 5070],
    ['sip:a@host.example;maddr=192.0.2.9', 'udp', '192.0.2.9', 5060],
  ])('%s needs no look-up', (uri, protocol, address, port) => {
    expect(resolveTarget(uri, nobody)).toEqual({ protocol, address, port });
  });

  it('looks a name up and keeps it for the certificate', async () => {
    const find = async (host: string): Promise<string[]> => (host === 'pbx.example' ? ['192.0.2.3'] : []);
    expect(await resolveTarget('sips:a@PBX.example', find)).toEqual({
      protocol: 'tls',
      address: '192.0.2.3',
      port: 5061,
      serverName: 'pbx.example',
    });
  });

  it('rejects a name that nobody knows', async () => {
    await expect(resolveTarget('sip:a@x.invalid', nobody)).rejects.toMatchObject({ code: 'ENOTFOUND' });
  });

  it.each(['tel:+46', 'sip:a@192.0.2.1;transport=sctp', 'http://x', ''])('refuses %j', (uri) => {
    expect(() => resolveTarget(uri, nobody)).toThrow('expected');
  });
});
