import { describe, expect, it } from 'vitest';
import { LocalAddresses, systemLocalAddressFor } from '../../../gateway/signaling/local-address.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';

describe('LocalAddresses', () => {
  it('asks once for those who wait together, and again after a minute', async () => {
    const clock = new FakeClock();
    const asked: string[] = [];
    const addresses = new LocalAddresses(clock, async (peer) => {
      asked.push(peer);
      return `local-${asked.length}`;
    });
    expect(await Promise.all([addresses.for('a'), addresses.for('a'), addresses.for('b')])).toEqual([
      'local-1',
      'local-1',
      'local-2',
    ]);
    expect(addresses.for('a')).toBe('local-1');
    await clock.advance(61_000);
    expect(await addresses.for('a')).toBe('local-3');
    expect(asked).toEqual(['a', 'b', 'a']);
  });

  it('does not remember a failure', async () => {
    let tries = 0;
    const addresses = new LocalAddresses(new FakeClock(), async () => {
      if (tries++ === 0) throw new Error('no route');
      return 'local';
    });
    await expect(addresses.for('a')).rejects.toThrow('no route');
    await settle();
    expect(await addresses.for('a')).toBe('local');
  });

  it('is bounded', async () => {
    let asked = 0;
    const addresses = new LocalAddresses(new FakeClock(), async () => `local-${asked++}`);
    for (let peer = 0; peer < 1_001; peer++) await addresses.for(`peer-${peer}`);
    expect(typeof addresses.for('peer-0')).toBe('object');
    expect(typeof addresses.for('peer-1000')).toBe('string');
  });
});

describe('systemLocalAddressFor', () => {
  it('names the loopback address for a loopback peer', async () => {
    expect(await systemLocalAddressFor('127.0.0.1')).toBe('127.0.0.1');
  });

  it('rejects what is no address', async () => {
    await expect(systemLocalAddressFor('nonsense')).rejects.toMatchObject({ code: 'NO_ROUTE' });
  });
});
