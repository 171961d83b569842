import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { sourceKey } from '../signaling/address-ranges.ts';

export interface ConnectionLimits {
  /** Open at a time, of all. */
  readonly connectionsMax: number;
  readonly perSource: number;
  /** `http-connection-limit` and `http-source-connection-limit`, once for each that was cut. */
  readonly counted: (code: string) => void;
}

/** Cuts connections beyond the limits as they come: whoever holds many open and sends nothing must leave room for a
 *  probe from elsewhere. */
export function limitConnections(
  server: Server,
  { connectionsMax, perSource, counted }: ConnectionLimits,
): void {
  const open = new Map<string, number>();
  server.maxConnections = connectionsMax;
  server.on('drop', () => counted('http-connection-limit'));
  server.on('connection', (socket: Socket) => {
    const source = sourceKey(socket.remoteAddress ?? '');
    const count = open.get(source) ?? 0;
    if (count >= perSource) {
      counted('http-source-connection-limit');
      socket.destroy();
      return;
    }
    open.set(source, count + 1);
    socket.once('close', () => {
      const left = (open.get(source) ?? 1) - 1;
      if (left === 0) open.delete(source);
      else open.set(source, left);
    });
  });
}
