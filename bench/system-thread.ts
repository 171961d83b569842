import { readlinkSync } from 'node:fs';

/** The id of the calling thread under /proc/PID/task; undefined where the system is not Linux. */
export function systemThreadId(): number | undefined {
  try {
    return Number(readlinkSync('/proc/thread-self').split('/').pop());
  } catch {
    return undefined;
  }
}
