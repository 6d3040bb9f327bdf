/** A gateway in a folder of its own, with its file and its log at hand. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { stringify } from 'yaml';
import { createGatewayLog, type GatewayLog } from '../../src/gateway/gateway-log.ts';
import { createGateway, type Gateway, type GatewayOptions } from '../../src/gateway/gateway.ts';
import { openTimelineReader } from '../../storage/reading/open-timeline-reader.ts';
import type { Row, TimelineFilter } from '../../storage/reading/timeline-reader.ts';

export interface GatewayRig {
  readonly folder: string;
  readonly file: string;
  readonly db: string;
  readonly gateway: Gateway;
  /** Writes to `log`: for further gateways over the same file. */
  readonly gatewayLog: GatewayLog;
  /** Lines of the log so far, parsed. */
  readonly log: () => Record<string, unknown>[];
  /** Replaces the file. */
  readonly write: (config: object | string) => void;
  readonly rows: (filter?: TimelineFilter) => Row[];
  /** Rows of any query, over the file as it is now. */
  readonly query: (sql: string) => Row[];
  /** Stops the gateway and removes the folder. */
  dispose(): Promise<void>;
}

/** The rest is added: where it stores, and a port that is free. */
export function gatewayConfig(config: object): object {
  return { storage: { path: 'edge.db' }, http: { port: 0 }, ...config };
}

export async function gatewayRig(
  config: object,
  options: Partial<GatewayOptions> = {},
  files: Readonly<Record<string, string>> = {},
): Promise<GatewayRig> {
  const folder = mkdtempSync(join(tmpdir(), 'headgate-gateway-'));
  const file = join(folder, 'gateway.yaml');
  const db = join(folder, 'edge.db');
  const write = (next: object | string) =>
    writeFileSync(file, typeof next === 'string' ? next : stringify(gatewayConfig(next)));
  write(config);
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const lines: string[] = [];
  const log = createGatewayLog({
    ...{ level: 'debug', pretty: false },
    write: (line) => void lines.push(line),
  });
  const gateway = createGateway({ file, env: {}, log, ...options });
  return {
    ...{ folder, file, db, gateway, write, gatewayLog: log },
    log: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>),
    rows: (filter = {}) => {
      const reader = openTimelineReader(db);
      try {
        return [...reader.timeline(filter)];
      } finally {
        reader.close();
      }
    },
    query: (sql) => {
      const reader = new Database(db, { readonly: true });
      try {
        return reader.prepare(sql).all() as Row[];
      } finally {
        reader.close();
      }
    },
    async dispose() {
      await gateway.stop({ deadlineMs: 5_000 });
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
