/** Each configuration that the documentation shows is run, against real far ends and with real records, and
 *  what it stored and delivered is counted: one that is valid can still store nothing. */

import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { createGateway } from '../../src/gateway/gateway.ts';
import { createGatewayLog } from '../../src/gateway/gateway-log.ts';
import { DocumentedPeers, FED, TOKEN, type Configuration } from '../support/documented-peers.ts';
import { projectFiles } from '../support/project-files.ts';
import { query } from '../storage/fixture.ts';

interface Shown {
  readonly where: string;
  readonly configuration: Configuration;
}

/** Variables that the examples refer to. */
const SECRETS = ['PLC_PASSWORD', 'METER_AUTHORIZATION', 'CLOUD_TOKEN', 'FLEET_PASSWORD'];

/** A required source that connects makes the gateway unready for a moment; and one example allows plain
 *  text. */
const TRUE_WARNINGS = ['the gateway is not ready', 'http.host is reached without TLS'];

/** Documents of YAML that are not for Headgate. */
const FOREIGN = new Set(['scrape_configs']);

function shownIn(path: string, text: string): Shown[] {
  const blocks = [...text.matchAll(/^```yaml\n([\s\S]*?)^```$/gm)];
  return blocks.flatMap((block) => {
    const configuration = parse(block[1] ?? '') as Configuration | null;
    const sections = Object.keys(configuration ?? {});
    if (configuration === null || sections.some((section) => FOREIGN.has(section))) return [];
    const line = text.slice(0, block.index).split('\n').length;
    return [{ where: `${path}:${line}`, configuration }];
  });
}

const shown = [...projectFiles()]
  .filter(([path]) => /^(?:[A-Z]+|docs\/[^/]+)\.md$/.test(path))
  .flatMap(([path, text]) => shownIn(path, text));

/** A fragment is completed by a source that is fed, so that there is something to count. */
function completed(configuration: Configuration): Configuration {
  const sources = configuration['sources'] ?? { line3: { type: 'push' } };
  const token = { name: 'documented', hash: `sha256:${createHash('sha256').update(TOKEN).digest('hex')}` };
  const tokens = [{ ...token, scopes: ['admin', 'ingest'] }];
  return { ...configuration, sources, auth: { ...configuration['auth'], tokens } } as never;
}

let folder: string;
let peers: DocumentedPeers;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'headgate-documented-'));
  peers = await DocumentedPeers.start();
});
afterAll(async () => {
  await peers[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

describe('a configuration that the documentation shows stores and delivers what comes:', () => {
  test('there are some', () => {
    expect(shown.length).toBeGreaterThan(20);
    expect(shown.map(({ where }) => where.split(':')[0])).toContain('README.md');
  });

  test.each(shown)('$where', async ({ where, configuration }) => {
    const home = join(folder, where.replaceAll(/\W/g, '-'));
    mkdirSync(home);
    const placed = peers.place(completed(configuration), home);
    const lines: string[] = [];
    const log = createGatewayLog({ level: 'warn', pretty: false, write: (line) => void lines.push(line) });
    const env = Object.fromEntries(SECRETS.map((name) => [name, TOKEN]));
    const file = join(home, 'headgate.yaml');
    writeFileSync(file, stringify(placed), { mode: 0o600 });
    const gateway = createGateway({ file, env, log });
    try {
      await gateway.start();
      const ids = Object.keys(placed['sources'] ?? {});
      const { engine } = gateway;
      await expect
        .poll(() => ids.map((id) => engine.health(id).state), { interval: 20 })
        .toEqual(ids.map(() => 'streaming'));
      await peers.feed(placed, gateway.url ?? '');
      const db = join(home, 'edge.db');
      const stored = (id: string) =>
        Number(query(db, 'SELECT count(*) AS n FROM records WHERE source_id = ?', id)[0]?.['n']);
      await expect
        .poll(() => ids.filter((id) => stored(id) < leastOf(placed, id)), { interval: 20 })
        .toEqual([]);
      for (const id of ids) if (isFed(placed, id)) expect([id, stored(id)]).toEqual([id, FED]);
      for (const { sinkId } of engine.sinks()) {
        await expect
          .poll(() => engine.sinkHealth(sinkId).delivered, { interval: 20 })
          .toBeGreaterThanOrEqual(FED);
      }
      expect(query(db, 'SELECT * FROM dead_letters')).toEqual([]);
    } catch (error) {
      throw new Error(lines.join(''), { cause: error });
    } finally {
      await gateway.stop({ deadlineMs: 5_000 });
    }
    const worrying = lines.filter((line) => /^\{"level":"(?:warn|error|fatal)"/.test(line));
    expect(worrying.filter((line) => !TRUE_WARNINGS.some((text) => line.includes(text)))).toEqual([]);
  });
});

/** A source that gets {@link FED} records, and no more. */
function isFed(configuration: Configuration, id: string): boolean {
  const { type } = configuration['sources']?.[id] ?? {};
  return type !== 'http' && type !== 'simulated' && type !== 'module';
}

function leastOf(configuration: Configuration, id: string): number {
  return isFed(configuration, id) ? FED : 1;
}
