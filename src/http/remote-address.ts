/** Addresses of clients: as they are counted, and whether one is of this machine. */

import { isIPv4, isIPv6 } from 'node:net';
import { LIMITS } from '../domain/limits.ts';

/** What counts as one client: an IPv4 address, or the /64 that an IPv6 host can choose its addresses of. */
export function clientOf(address: string | undefined): string {
  if (address === undefined) return 'unknown';
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  return isIPv6(address) ? networkOf(address) : address;
}

function networkOf(address: string): string {
  const [head = '', tail = ''] = (address.split('%')[0] ?? '').split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: Math.max(0, 8 - before.length - after.length) }, () => '0');
  return `${[...before, ...zeros, ...after].slice(0, 4).join(':')}::/64`;
}

/** Whether only this machine can reach what listens on `host`. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase();
  return name === 'localhost' || name === '::1' || (isIPv4(name) && name.startsWith('127.'));
}

/** Something known of each client, for so many clients: the one heard of longest ago gives way. */
export class ClientTable<Entry> {
  readonly #entries = new Map<string, Entry>();
  readonly #sizeMax: number;

  constructor(sizeMax: number = LIMITS.httpAddressesMax) {
    this.#sizeMax = sizeMax;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(client: string): Entry | undefined {
    return this.#entries.get(client);
  }

  set(client: string, entry: Entry): void {
    this.#entries.delete(client);
    this.#entries.set(client, entry);
    if (this.#entries.size <= this.#sizeMax) return;
    const [oldest] = this.#entries.keys();
    if (oldest !== undefined) this.#entries.delete(oldest);
  }

  delete(client: string): void {
    this.#entries.delete(client);
  }
}
