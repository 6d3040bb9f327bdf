/** The read commands as processes: what they print, where, and with which exit code. */

import { writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { explainCommand } from '../../src/cli/explain-command.ts';
import type { Output } from '../../src/cli/output.ts';
import { headgate, startHeadgate } from '../support/command-line.ts';
import { recordRow } from '../storage/fixture.ts';
import { brokenLinkLog, newLog, STORY_START_MS, type Log } from './log-fixture.ts';

let log: Log;
beforeAll(async () => {
  log = await brokenLinkLog();
});
afterAll(() => log[Symbol.asyncDispose]());

/** Runs a command that is expected to succeed and gives back its rows. */
async function rows(...args: string[]): Promise<Record<string, unknown>[]> {
  const { exitCode, stdout, stderr } = await headgate([...args, '--json']);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  const document = JSON.parse(stdout) as { rows: Record<string, unknown>[] };
  expect(Object.keys(document)).toEqual(['rows']);
  return document.rows;
}

/** Runs a command that is expected to print for a person and gives back its lines. */
async function lines(args: string[], env = { TZ: 'UTC' }): Promise<string[]> {
  const { exitCode, stdout, stderr } = await headgate(args, { env });
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  return stdout.trimEnd().split('\n');
}

/** What `explain` writes of plc-7 on a terminal of so many columns. */
async function explained(columns: number | null): Promise<string[]> {
  let written = '';
  const output: Output = {
    ...{ columns, open: true, onClosed: () => undefined, note: () => undefined },
    write: async (text) => void (written += text),
    style: (_style, text) => text,
  };
  await explainCommand(log.path, 'plc-7', {}, output);
  return written.split('\n');
}

const seqs = (found: Record<string, unknown>[]) => found.map((row) => row.seq);

describe('timeline --json', () => {
  test('has the columns of the table, in their order, data as JSON', async () => {
    const found = await rows('timeline', log.path);
    expect(seqs(found)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(Object.keys(found[0] ?? {})).toEqual([
      ...['seq', 'run', 'at_ms', 'mono_ms', 'tenant', 'actor', 'incarnation', 'kind', 'event'],
      ...['from_state', 'to_state', 'cause', 'data'],
    ]);
    expect(found[5]).toMatchObject({ actor: 'plc-7', cause: 5, data: { code: 'HG_LINK_LOST' } });
  });

  test('filters by actor, kind and time, both ends included', async () => {
    const at = (seq: number) => String(STORY_START_MS + seq * 100);
    expect(seqs(await rows('timeline', log.path, '--actor', 'plc-7'))).toEqual([3, 5, 6, 7]);
    expect(seqs(await rows('timeline', log.path, '--actor', 'default/plc-7'))).toEqual([3, 5, 6, 7]);
    expect(seqs(await rows('timeline', log.path, '--kind', 'alert'))).toEqual([7, 8]);
    expect(seqs(await rows('timeline', log.path, '--since', at(2), '--until', at(4)))).toEqual([2, 3, 4]);
    expect(seqs(await rows('timeline', log.path, '--until', '2026-11-22T02:00:00.200Z'))).toEqual([1, 2]);
    expect(await rows('timeline', log.path, '--since', '2031-01-01')).toEqual([]);
  });

  test('takes a time that counts back from now', async () => {
    expect(await rows('timeline', log.path, '--until', '-36500d')).toEqual([]);
    expect(await rows('timeline', log.path, '--since', '-36500d')).toHaveLength(9);
  });

  test('keeps the last rows under a limit', async () => {
    expect(seqs(await rows('timeline', log.path, '--limit', '2'))).toEqual([8, 9]);
    expect(seqs(await rows('timeline', log.path, '--limit', '1', '--actor', 'plc-7'))).toEqual([7]);
  });

  test('is one document however many pages it takes', async () => {
    await using long = await newLog();
    const row = { actor: 'plc-7', kind: 'command', event: 'source.poll' } as const;
    for (let page = 0; page < 5; page++) await long.tell(...Array.from({ length: 700 }, () => row));
    expect(seqs(await rows('timeline', long.path))).toEqual(
      Array.from({ length: 3_500 }, (_, index) => index + 1),
    );
  });
});

describe('timeline for a person', () => {
  test('is aligned, a line a row, nothing coloured where no terminal reads', async () => {
    const [titles = '', ...found] = await lines(['timeline', log.path]);
    expect(titles).toMatch(/^seq {2}time +actor +kind +event +state +cause +data$/);
    expect(found).toHaveLength(9);
    const column = titles.indexOf('actor');
    expect(found[5]?.slice(column)).toMatch(
      /^plc-7 +transition +link\.lost +streaming → backingOff +5 +code=HG_LINK_LOST message="the broker hung up"$/,
    );
    expect(found.map((line) => line[column - 1])).toEqual(Array.from({ length: 9 }, () => ' '));
    expect(found.join('')).not.toContain('\u001b');
  });

  test('shows local times with their offset', async () => {
    const [, first = ''] = await lines(['timeline', log.path, '--limit', '1'], { TZ: 'Asia/Kolkata' });
    expect(first).toContain('2026-11-22T07:31:15.700+05:30');
  });

  test('shows what came from outside without letting it act on the terminal', async () => {
    await using hostile = await newLog();
    const message = '\u001b[2J\u001b]0;owned\u0007 \u202egnp.exe\r\nnext';
    await hostile.tell({ actor: 'plc-7', kind: 'alert', event: 'x\u001b[31m', data: { message } });
    const { stdout } = await headgate(['timeline', hostile.path]);
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/);
    expect(stdout).toContain('x\\x1b[31m');
    expect(stdout.trimEnd().split('\n')).toHaveLength(2);
  });

  test('says on stderr that there is nothing', async () => {
    const { exitCode, stdout, stderr } = await headgate(['timeline', log.path, '--actor', 'nobody']);
    expect({ exitCode, stdout, stderr }).toEqual({ exitCode: 0, stdout: '', stderr: 'no rows\n' });
  });
});

describe('timeline --follow', () => {
  test('prints what is there, then rows as they come, and ends with 0 on SIGINT', async () => {
    await using live = await newLog();
    await live.tell(
      { actor: 'plc-7', kind: 'born', event: 'a' },
      { actor: 'plc-7', kind: 'ended', event: 'b' },
    );
    const command = startHeadgate(['timeline', live.path, '--follow', '--json']);
    const next = async () =>
      (JSON.parse((await command.lines.next()).value as string) as { event: string }).event;
    expect([await next(), await next()]).toEqual(['a', 'b']);
    await live.tell({ actor: 'plc-7', kind: 'born', event: 'c' });
    expect(await next()).toBe('c');
    await live.tell(
      { actor: 'plc-7', kind: 'born', event: 'd' },
      { actor: 'plc-7', kind: 'born', event: 'e' },
    );
    expect([await next(), await next()]).toEqual(['d', 'e']);
    command.signal('SIGINT');
    expect(await command.ended).toMatchObject({ exitCode: 0, signal: null, stderr: '' });
  });

  test('starts with the last rows under a limit, and filters what comes', async () => {
    await using live = await newLog();
    const row = (actor: string, event: string) => ({ actor, event, kind: 'command' as const });
    await live.tell(row('a', '1'), row('a', '2'), row('b', '3'));
    const command = startHeadgate([
      'timeline',
      live.path,
      '--follow',
      '--json',
      '--actor',
      'a',
      '--limit',
      '1',
    ]);
    const next = async () =>
      (JSON.parse((await command.lines.next()).value as string) as { event: string }).event;
    expect(await next()).toBe('2');
    await live.tell(row('b', '4'), row('a', '5'), row('a', '6'));
    expect([await next(), await next()]).toEqual(['5', '6']);
    command.signal('SIGTERM');
    expect(await command.ended).toMatchObject({ exitCode: 0, stderr: '' });
  });

  test('prints lines for a person without --json', async () => {
    await using live = await newLog();
    await live.tell({ actor: 'plc-7', kind: 'born', event: 'first' });
    const command = startHeadgate(['timeline', live.path, '--follow']);
    expect((await command.lines.next()).value).toMatch(/^seq/);
    expect((await command.lines.next()).value).toContain('first');
    await live.tell({ actor: 'plc-7', kind: 'born', event: 'second' });
    expect((await command.lines.next()).value).toContain('second');
    command.signal('SIGINT');
    expect((await command.ended).exitCode).toBe(0);
  });

  test('ends when nobody reads any more', async () => {
    await using live = await newLog();
    await live.tell({ actor: 'plc-7', kind: 'born', event: 'a' });
    const command = startHeadgate(['timeline', live.path, '--follow', '--json']);
    await command.lines.next();
    command.hangUp();
    await live.tell({ actor: 'plc-7', kind: 'born', event: 'b' });
    expect(await command.ended).toMatchObject({ exitCode: 0, signal: null, stderr: '' });
  });
});

test('a listing whose reader has gone ends without an error', async () => {
  await using long = await newLog();
  const row = { actor: 'plc-7', kind: 'command', event: 'x', data: { text: 'y'.repeat(500) } } as const;
  await long.tell(...Array.from({ length: 3_000 }, () => row));
  const command = startHeadgate(['timeline', long.path, '--json']);
  await command.lines.next();
  command.hangUp();
  expect(await command.ended).toMatchObject({ exitCode: 0, signal: null, stderr: '' });
});

test('alerts lists the alerts alone', async () => {
  const found = await rows('alerts', log.path);
  expect(found.map(({ seq, event, severity }) => [seq, event, severity])).toEqual([
    [7, 'SOURCE_DOWN', 'warning'],
    [8, 'BURST', 'critical'],
  ]);
  expect(Object.keys(found[0] ?? {})).toEqual([
    'seq',
    'at_ms',
    'tenant',
    'actor',
    'event',
    'severity',
    'data',
  ]);
  expect((await lines(['alerts', log.path, '--actor', 'mill-2'])).slice(1)).toEqual([
    expect.stringMatching(/^ +8 .+Z +critical +mill-2 +BURST +severity=critical windowRecords=31$/),
  ]);
});

test('sources lists each source with its state', async () => {
  const found = await rows('sources', log.path);
  expect(found.map(({ source_id, type, state }) => [source_id, type, state])).toEqual([
    ['mill-2', 'http', 'streaming'],
    ['plc-7', 'mqtt', 'backingOff'],
  ]);
  expect((await lines(['sources', log.path])).slice(1)).toEqual([
    expect.stringMatching(/^mill-2 +http +streaming +1 +0 +1000 +0 +0 +0 +2026-11-22T02:00:00\.000Z$/),
    expect.stringMatching(/^plc-7 +mqtt +backingOff +1 +0 +41 +0 +0 +0 +- +the broker hung up$/),
  ]);
});

test('sinks lists each sink with its state, its place and what it has still to deliver', async () => {
  await using fed = await newLog();
  const sink = {
    ...{ tenant: 'default', type: 'http', incarnation: 1, delivered: 3, filtered: 2, deadLettered: 1 },
    ...{ consecutiveErrors: 0, lastDeliveryAtMs: STORY_START_MS, lastError: null },
    ...{ registeredAtMs: STORY_START_MS, deregisteredAtMs: null },
  };
  const failing = {
    ...sink,
    type: 'mqtt',
    consecutiveErrors: 9,
    lastError: 'HG_LINK_REFUSED: nobody is there',
  };
  await fed.tell({ actor: 'a', kind: 'alert', event: 'BURST', data: { severity: 'warning' } });
  await fed.keepSinks({
    records: Array.from({ length: 10 }, (_, n) => recordRow({ sourceSeq: n + 1 })),
    sinks: [
      { ...sink, sinkId: 'archive', state: 'delivering' },
      { ...failing, sinkId: 'bells', state: 'circuitOpen' },
      { ...sink, sinkId: 'gone', state: 'stopped', deregisteredAtMs: STORY_START_MS },
      { ...failing, tenant: 'acme', sinkId: 'cloud', state: 'backingOff' },
    ],
    sinkCursors: [
      { tenant: 'default', sinkId: 'archive', reads: 'records', seq: 10 },
      { tenant: 'default', sinkId: 'bells', reads: 'alerts', seq: 0 },
      { tenant: 'acme', sinkId: 'cloud', reads: 'records', seq: 3 },
    ],
  });
  const found = await rows('sinks', fed.path);
  expect(
    found.map(({ tenant, sink_id, state, reads, cursor, lag_records }) => [
      ...[tenant, sink_id, state, reads, cursor, lag_records],
    ]),
  ).toEqual([
    ['acme', 'cloud', 'backingOff', 'records', 3, 7],
    ['default', 'archive', 'delivering', 'records', 10, 0],
    ['default', 'bells', 'circuitOpen', 'alerts', 0, 1],
    ['default', 'gone', 'stopped', null, null, null],
  ]);
  const columns = [
    ...['tenant', 'sink_id', 'type', 'state', 'incarnation', 'delivered', 'filtered', 'dead_lettered'],
    ...['consecutive_errors', 'last_delivery_at_ms', 'last_error', 'registered_at_ms', 'deregistered_at_ms'],
    ...['reads', 'cursor', 'lag_records'],
  ];
  expect(Object.keys(found[0] ?? {})).toEqual(columns);
  const told = await lines(['sinks', fed.path]);
  expect(told[0]).toMatch(/^sink +type +state +incarnation +reads +cursor +lag +delivered +filtered +dead /);
  expect(told[1]).toMatch(/^acme\/cloud +mqtt +backingOff +1 +records +3 +7 +3 +2 +1 +9 .*nobody is there$/);
  expect(told[2]).toMatch(/^archive +http +delivering +1 +records +10 +0 +3 +2 +1 +0 +2026-11-22T02:00:00/);
  expect(
    (await headgate(['sinks', log.path])).stdout + (await headgate(['sinks', log.path])).stderr,
  ).toContain('no sinks');
});

describe('explain', () => {
  test('gives the chain of causes, first cause first', async () => {
    const found = await rows('explain', log.path, 'plc-7');
    expect(seqs(found)).toEqual([1, 2, 3, 5, 6]);
  });

  test('tells it as a story: what it is in, for how long, and what led there', async () => {
    const told = await lines(['explain', log.path, 'plc-7']);
    expect(told).toEqual([
      'plc-7 is backingOff: the broker hung up (for 10.2 s, since 2026-11-22T02:01:05.500Z)',
      '',
      '2026-11-22T02:00:00.100Z  engine  @xstate.init  → running',
      '2026-11-22T02:00:00.200Z  └─ registry  registry.register',
      '2026-11-22T02:00:00.300Z     └─ plc-7  @xstate.init  → connecting',
      '2026-11-22T02:00:00.500Z        └─ plc-7  link.opened  connecting (for 200 ms) → streaming',
      '2026-11-22T02:01:05.500Z           └─ plc-7  link.lost  streaming (for 1 min 5 s) → backingOff  ' +
        'the broker hung up (HG_LINK_LOST)',
      '',
      'last error: the broker hung up',
    ]);
  });

  describe('of what was stopped', () => {
    const hall = { actor: 'hall', incarnation: 1 } as const;
    const step = (event: string, fromState: string | null, toState: string, more: object = {}) =>
      ({ ...hall, kind: 'transition', event, fromState, toState, ...more }) as const;
    const refused = (message: string) => ({ error: { code: 'HG_LINK_REFUSED', message } });
    const born = { ...step('born', null, 'connecting'), kind: 'born' } as const;
    const stopOf = (cause: number, from: string) =>
      [
        { actor: 'registry', kind: 'command', event: 'registry.deregister', toState: 'open' },
        step('source.drain', from, 'draining', { cause }),
        step('drain.finished', 'draining', 'stopped', { cause: cause + 1 }),
      ] as const;

    test('leads with the failure before, and names the command', async () => {
      await using stopped = await newLog();
      await stopped.tell(
        born,
        step('link.failed', 'connecting', 'backingOff', { data: refused('no route') }),
        step('wait.over', 'backingOff', 'connecting'),
        step('link.failed', 'connecting', 'backingOff', { data: refused('nothing listens') }),
        step('source.pause', 'backingOff', 'paused'),
        ...stopOf(6, 'paused'),
      );
      const [headline, , ...chain] = await lines(['explain', stopped.path, 'hall']);
      expect(headline).toMatch(
        /^hall was backingOff after 2 failures: nothing listens; then stopped by registry\.deregister \(for /,
      );
      expect(chain.map((line) => line.replace(/^\S* *(└─ )?/, ''))).toEqual([
        expect.stringMatching(/^hall  link\.failed .*no route/),
        expect.stringMatching(/^hall  link\.failed .*nothing listens/),
        '',
        expect.stringMatching(/^registry  registry\.deregister/),
        expect.stringMatching(/^hall  source\.drain/),
        expect.stringMatching(/^hall  drain\.finished/),
      ]);
      expect(seqs(await rows('explain', stopped.path, 'hall'))).toEqual([2, 4, 6, 7, 8]);
    });

    test('tells the command alone where its link worked until then', async () => {
      await using stopped = await newLog();
      await stopped.tell(
        born,
        step('link.failed', 'connecting', 'backingOff', { data: refused('no route') }),
        step('wait.over', 'backingOff', 'connecting'),
        step('link.opened', 'connecting', 'streaming'),
        ...stopOf(5, 'streaming'),
      );
      const [headline] = await lines(['explain', stopped.path, 'hall']);
      expect(headline).toMatch(/^hall is stopped by registry\.deregister \(for /);
      expect(seqs(await rows('explain', stopped.path, 'hall'))).toEqual([5, 6, 7]);
    });

    test('names the failure of another part that led to it', async () => {
      await using stopped = await newLog();
      const escalated = { ...step('link.failed', 'connecting', 'failed', { data: refused('a defect') }) };
      await stopped.tell(
        { ...escalated, actor: 'other' },
        step('source.drain', 'streaming', 'draining', { cause: 1 }),
        step('drain.finished', 'draining', 'stopped', { cause: 2 }),
      );
      const [headline] = await lines(['explain', stopped.path, 'hall']);
      expect(headline).toMatch(/^hall is stopped by source\.drain: other: a defect \(for /);
    });
  });

  test('counts a state from its beginning, whatever else came meanwhile', async () => {
    await using busy = await newLog();
    const command = { actor: 'a', kind: 'command', event: 'x', fromState: 'open', toState: 'open' } as const;
    await busy.tell(
      { actor: 'a', kind: 'born', event: 'born', toState: 'open' },
      ...Array.from({ length: 200 }, () => command),
      { actor: 'a', kind: 'transition', event: 'shut', fromState: 'open', toState: 'closed', cause: 201 },
      { ...command, event: 'look', fromState: 'closed', toState: 'closed', afterMs: 0 },
      { actor: 'a', kind: 'ended', event: 'done', fromState: 'closed', toState: 'closed', cause: 203 },
    );
    const told = await lines(['explain', busy.path, 'a']);
    expect(told.slice(2).map((line) => line.replace(/^\S+ +(?:└─ )?/, ''))).toEqual([
      'a  look  in closed',
      'a  done  in closed for 100 ms',
    ]);
    const [, , chain = '', shut = ''] = await lines([
      'explain',
      busy.path,
      'a',
      '--at',
      String(STORY_START_MS + 20_250),
    ]);
    expect(chain).toContain('a  x  in open for 20 s');
    expect(shut).toContain('a  shut  open (for 20.1 s) → closed');
  });

  test('tells what was, at a time', async () => {
    const [headline] = await lines(['explain', log.path, 'plc-7', '--at', '2026-11-22T02:00:30Z']);
    expect(headline).toBe(
      'plc-7 was streaming at 2026-11-22T02:00:30.000Z (for 29.5 s, since 2026-11-22T02:00:00.500Z)',
    );
  });

  test.each([80, 60, 40])('keeps every word on a terminal of %i columns', async (columns) => {
    const told = await explained(columns);
    expect(Math.max(...told.map((line) => line.length))).toBeLessThanOrEqual(columns);
    const wordsOf = (text: readonly string[]) => text.join(' ').split(/\s+/).join(' ');
    expect(wordsOf(told)).toBe(wordsOf(await explained(null)));
  });

  test('names the nearest actors where it knows none of that name', async () => {
    const { exitCode, stdout, stderr } = await headgate(['explain', log.path, 'plc7']);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toContain('did you mean "plc-7"');
  });

  test('says so where the actor was not there yet', async () => {
    const { exitCode, stdout, stderr } = await headgate(['explain', log.path, 'plc-7', '--at', '1000']);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: '' });
    expect(stderr).toMatch(/^nothing is known of plc-7 at 1970-01-01T/);
  });
});

describe('at', () => {
  test('gives the state of every actor at a time', async () => {
    const found = await rows('at', log.path, '2026-11-22T02:00:30Z');
    expect(found.map(({ actor, state }) => [actor, state])).toEqual([
      ['engine', 'running'],
      ['mill-2', 'streaming'],
      ['plc-7', 'streaming'],
    ]);
  });

  test('puts actors of the same state together', async () => {
    const told = await lines(['at', log.path, String(STORY_START_MS + 70_000)]);
    expect(told.slice(1).map((line) => line.split(/ {2,}/).slice(0, 3))).toEqual([
      ['backingOff', 'plc-7', '4.5 s'],
      ['running', 'engine', '1 min 9 s'],
      ['streaming', 'mill-2', '1 min 9 s'],
    ]);
  });

  test('takes a time that counts back from now, which looks like an option', async () => {
    expect(await rows('at', log.path, '-36500d')).toEqual([]);
  });
});

describe('exit codes', () => {
  const usage: [title: string, args: string[], says: string][] = [
    ['no command', [], 'Usage: headgate'],
    ['an unknown command', ['timelin'], 'Did you mean timeline?'],
    ['an unknown option', ['sources', 'x.db', '--jsn'], "unknown option '--jsn'"],
    ['a missing file', ['timeline'], "missing required argument 'file'"],
    ['a word too many', ['sources', 'x.db', 'y.db'], 'too many arguments'],
    ['a time that is none', ['at', 'x.db', 'yesterday'], 'epoch milliseconds, ISO 8601'],
    ['a kind that is none', ['timeline', 'x.db', '--kind', 'births'], 'born, transition, ended'],
    ['a limit of nothing', ['timeline', 'x.db', '--limit', '0'], 'At least 1'],
    ['a limit in words', ['timeline', 'x.db', '--limit', 'ten'], 'whole number'],
    ['following up to an end', ['timeline', 'x.db', '--follow', '--until', '5'], "'--until <time>'"],
  ];
  for (const [title, args, says] of usage) {
    test(`${title} is a wrong command line: 2`, async () => {
      const { exitCode, stdout, stderr } = await headgate(args);
      expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
      expect(stderr).toContain(says);
    });
  }

  test('a file that is not there is a failure: 1', async () => {
    const { exitCode, stdout, stderr } = await headgate(['sources', `${log.path}.not`]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
    expect(stderr).toMatch(/^headgate: .*edge\.db\.not/);
  });

  test('a file that is no database is bad data: 65', async () => {
    writeFileSync(`${log.path}.txt`, 'no database\n'.repeat(100));
    const { exitCode, stdout } = await headgate(['sources', `${log.path}.txt`]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 65, stdout: '' });
  });

  test('help goes to stdout and is no failure', async () => {
    const { exitCode, stdout, stderr } = await headgate(['--help']);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    for (const word of ['timeline', 'alerts', 'sources', 'explain', 'at', 'demo', '65', '78']) {
      expect(stdout).toContain(word);
    }
  });

  test('--version names Headgate, Node and SQLite', async () => {
    const { exitCode, stdout } = await headgate(['--version']);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^headgate \d+\.\d+\.\d+\nnode 2\d\.\d+\.\d+\nsqlite 3\.\d+\.\d+\n$/);
  });
});
