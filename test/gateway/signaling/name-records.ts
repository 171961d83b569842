import type { NameService } from '../../../gateway/signaling/name-service.ts';
import type { NaptrRecord, SrvRecord } from '../../../protocol/sip/server-selection.ts';

export interface NameRecords {
  readonly naptr?: Readonly<Record<string, readonly NaptrRecord[]>>;
  readonly srv?: Readonly<Record<string, readonly SrvRecord[]>>;
  readonly addresses?: Readonly<Record<string, readonly string[]>>;
  ttlMs?: number;
}

/** A DNS that is held in memory, and what it was asked. */
export function createNameService(records: NameRecords): NameService & { readonly asked: string[] } {
  const asked: string[] = [];
  const find = async <Found>(
    type: string,
    of: Readonly<Record<string, readonly Found[]>> | undefined,
    name: string,
  ): Promise<readonly Found[]> => {
    asked.push(`${type} ${name}`);
    const found = of?.[name];
    if (found === undefined) throw Object.assign(new Error(`${name} is not known`), { code: 'ENOTFOUND' });
    return found;
  };
  return {
    asked,
    naptr: (name) => find('NAPTR', records.naptr, name),
    srv: (name) => find('SRV', records.srv, name),
    async addresses(name) {
      const found = await find('A', records.addresses, name);
      return { found, ...(records.ttlMs === undefined ? {} : { ttlMs: records.ttlMs }) };
    },
  };
}

export function srv(name: string, port: number, priority = 10, weight = 0): SrvRecord {
  return { name, port, priority, weight };
}

export function naptr(service: string, replacement: string, order = 10): NaptrRecord {
  return { order, preference: 10, flags: 's', service, replacement };
}
