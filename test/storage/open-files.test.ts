import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { HEADGATE } from '../support/command-line.ts';
import { temporaryFolder } from './fixture.ts';

test(
  'a limit of open files that is too low is told as what it is, not as a folder that cannot be written',
  { tags: 'full' },
  () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'g.yaml'), 'sources: { door: { type: push } }\nhttp: { port: 0 }\n');
    const said = [28, 30].map((limit) => {
      const command = `ulimit -n ${limit}; exec "$0" "$1" run g.yaml --duration 0`;
      const { stderr } = spawnSync('bash', ['-c', command, process.execPath, HEADGATE], {
        cwd: folder,
        encoding: 'utf8',
      });
      return stderr;
    });
    expect(said.join()).toContain('raise the limit (ulimit -n, LimitNOFILE)');
    expect(said.join()).not.toContain('check that its folder can be written');
  },
);
