/** What somebody puts in the place of a file that the gateway reads: it is refused at once, by what it is, and
 *  takes neither memory nor time. */

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { doctorCommand } from '../../src/cli/doctor-command.ts';
import { validateCommand } from '../../src/cli/validate-command.ts';
import type { Output } from '../../src/cli/output.ts';
import { readConfig } from '../../src/gateway/config/read-config.ts';
import { readMark } from '../../storage/file/mark-file.ts';
import { gatewayRig } from '../support/gateway-rig.ts';

const folder = mkdtempSync(join(tmpdir(), 'headgate-odd-'));
const at = (name: string) => join(folder, name);
const socket = createServer();

/** What lies there, by name, and what is said of it. */
const ODD: readonly (readonly [name: string, says: RegExp])[] = [
  ['pipe', /is a named pipe/],
  ['folder', /is a folder/],
  ['socket', /is a socket/],
  ['device', /is a device/],
  ['huge', /is larger than \d+ bytes/],
  ['circle', /is a symbolic link that leads to itself/],
  ['nowhere', /does not exist/],
  ['utf16', /is UTF-16 text; save it as UTF-8/],
  ['utf16-without-mark', /is UTF-16 text; save it as UTF-8/],
  ['binary', /is no UTF-8 text/],
];

beforeAll(async () => {
  for (const end of ['', '.yaml', '.js']) {
    execFileSync('mkfifo', [at(`pipe${end}`)]);
    mkdirSync(at(`folder${end}`));
    symlinkSync('/dev/zero', at(`device${end}`));
    symlinkSync(at(`circle${end}`), at(`circle${end}`));
    symlinkSync(at(`missing${end}`), at(`nowhere${end}`));
    writeFileSync(at(`huge${end}`), '', { mode: 0o600 });
    truncateSync(at(`huge${end}`), 600 * 1024 * 1024);
    writeFileSync(at(`utf16${end}`), Buffer.from('\uFEFFsources: {}\n', 'utf16le'), { mode: 0o600 });
    writeFileSync(at(`utf16-without-mark${end}`), Buffer.from('sources: {}\n', 'utf16le'), { mode: 0o600 });
    writeFileSync(at(`binary${end}`), Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0xff, 0xfe, 0x80]), {
      mode: 0o600,
    });
  }
  await new Promise<void>((resolve) => socket.listen(at('socket'), resolve));
  for (const end of ['.yaml', '.js']) symlinkSync(at('socket'), at(`socket${end}`));
});

afterAll(() => {
  socket.close();
  rmSync(folder, { recursive: true });
});

function noted(): { output: Output; said: () => string } {
  let text = '';
  const output = {
    write: async (more: string) => void (text += more),
    note: (more: string) => void (text += more),
    style: (_: string, more: string) => more,
  } as unknown as Output;
  return { output, said: () => text };
}

const problemsOf = (text: string) => {
  const reading = readConfig(text, { format: 'yaml', file: at('g.yaml'), env: {} });
  return reading.ok ? '' : reading.problems.map(({ message }) => message).join();
};

describe('in the place of', () => {
  for (const [name, says] of ODD) {
    test(`a configuration: ${name}`, async () => {
      const { output, said } = noted();
      await expect(validateCommand(at(`${name}.yaml`), {}, output)).rejects.toThrow(says);
      await expect(doctorCommand(at(`${name}.yaml`), {}, output)).rejects.toThrow();
      expect(said()).toMatch(says);
    });

    test(`a secret, a certificate and a key: ${name}`, () => {
      const source = `{ type: http, url: 'http://h/', intervalMs: 1000, headers: { a: 'file:${name}' } }`;
      expect(problemsOf(`sources: { a: ${source} }`)).toMatch(says);
      expect(problemsOf(`http: { tls: { certFile: ${name}, keyFile: ${name} } }`)).toMatch(says);
    });
  }

  test('code of the user', () => {
    for (const [name, says] of ODD.slice(0, 6))
      expect(problemsOf(`stages: [{ module: ./${name}.js }]`)).toMatch(says);
  });

  test('the mark of a database', () => {
    for (const name of ['pipe', 'folder', 'device', 'huge', 'binary']) {
      symlinkSync(at(name), at(`${name}.db-mark`));
      expect([name, readMark(at(`${name}.db`))]).toEqual([name, 'unreadable']);
    }
  });
});

test('a configuration that becomes a pipe while the gateway runs is refused, and the gateway stops as it should', async () => {
  const rig = await gatewayRig({ sources: { door: { type: 'push' } } }, { watch: false });
  try {
    await rig.gateway.start();
    rmSync(rig.file);
    execFileSync('mkfifo', [rig.file]);
    const { outcome, problems } = await rig.gateway.reload('signal');
    expect([outcome, problems.map(({ message }) => message).join()]).toEqual([
      'failed',
      expect.stringContaining('is a named pipe'),
    ]);
    expect(rig.gateway.engine.activeSources()).toEqual(['door']);
  } finally {
    await rig.dispose();
  }
});
