import Database from 'better-sqlite3';
import { spawnSync } from 'node:child_process';
import { renameSync, statSync, truncateSync } from 'node:fs';
import { describe, expect, onTestFinished, test } from 'vitest';
import { LIMITS } from '../../src/domain/limits.ts';
import { createEngine, simulatedSource } from '../../src/index.ts';
import { SILENT_LOGGER } from '../../src/domain/logger.ts';
import type { History, HistoryFilter } from '../../storage/reading/history.ts';
import { openHistory } from '../../storage/reading/open-history.ts';
import {
  writeBatch,
  headgateError,
  openStore,
  temporaryFile,
  timelineRow,
  writeDatabase,
} from './fixture.ts';
import { reading, seqs, SCENARIO } from './scenario.ts';

function historyOf(path: string): History {
  const history = openHistory(path);
  onTestFinished(() => history.close());
  return history;
}

async function writtenStory(): Promise<string> {
  const file = temporaryFile();
  await writeDatabase(file, { timeline: SCENARIO });
  return file;
}

describe('a history', () => {
  test('answers what the reader answers', async () => {
    const file = await writtenStory();
    const [history, reader] = [historyOf(file), reading(file)];
    const filters: HistoryFilter[] = [{}, { actor: 'plc-7' }, { kind: 'born', limit: 1 }, { beforeSeq: 3 }];
    for (const filter of filters) {
      expect(await history.timeline(filter)).toEqual(reader.timeline(filter));
    }
    expect(await history.alerts({ actor: 'plc-7' })).toEqual(reader.alerts({ actor: 'plc-7' }));
    expect(await history.sources()).toEqual(reader.sources());
    expect(await history.sinks()).toEqual(reader.sinks());
    expect(await history.explain('plc-7')).toEqual(reader.explain('plc-7'));
    expect(await history.explain('plc-7', 125)).toEqual(reader.explain('plc-7', 125));
    expect(await history.stateAt(150)).toEqual(reader.stateAt(150));
  });

  test('answers in the order it was asked, however many ask at once', async () => {
    const history = historyOf(await writtenStory());
    const answered: number[] = [];
    const asked = Array.from({ length: 20 }, async (_, n) => {
      await history.timeline({ limit: n });
      answered.push(n);
    });
    await Promise.all(asked);
    expect(answered).toEqual(Array.from({ length: 20 }, (_, n) => n));
  });

  test('gives errors with code, remedy and details', async () => {
    const history = historyOf(await writtenStory());
    const unknown = await headgateError(() => history.explain('plc-9'), 'HG_SOURCE_UNKNOWN');
    expect(unknown.details).toEqual({ actor: 'plc-9', nearest: ['plc-7'] });
    await headgateError(() => history.timeline({ kind: 'births' as never }), 'HG_OPTION_INVALID');
    await headgateError(() => history.alerts({ since: 1 } as never), 'HG_OPTION_UNKNOWN');
    await headgateError(() => history.stateAt(Number.NaN), 'HG_OPTION_INVALID');
    await headgateError(() => history.explain((() => 'plc-7') as never), 'HG_OPTION_INVALID');
    expect(seqs(await history.timeline({ limit: 1 }))).toEqual([7]);
  });

  test('is not there in memory, and says so', async () => {
    const error = await headgateError(() => historyOf(':memory:').sources(), 'HG_STORAGE_NOT_FOUND');
    expect(error.message).toContain('in memory');
  });

  test('can be opened before its file is there', async () => {
    const file = temporaryFile();
    const history = historyOf(file);
    await headgateError(() => history.timeline(), 'HG_STORAGE_NOT_FOUND');
    await writeDatabase(file, { timeline: SCENARIO });
    expect(await history.timeline()).toHaveLength(SCENARIO.length);
  });

  test('refuses questions after its close, answers those before, and takes a second close', async () => {
    const history = openHistory(await writtenStory());
    const asked = history.timeline({ limit: 1 });
    const closed = history.close();
    await headgateError(() => history.sources(), 'HG_ENGINE_STATE');
    expect(await asked).toHaveLength(1);
    await closed;
    await history.close();
    await openHistory(temporaryFile()).close();
  });
});

describe('a page', () => {
  async function longLog(rows: number): Promise<History> {
    const file = temporaryFile();
    const timeline = Array.from({ length: rows }, (_, n) => timelineRow({ seq: n + 1 }));
    await writeDatabase(file, { timeline });
    return historyOf(file);
  }

  test('has a bound where none is given', async () => {
    const rows = LIMITS.historyRows + 5;
    const history = await longLog(rows);
    const last = await history.timeline();
    expect([last.length, last.at(-1)?.['seq']]).toEqual([LIMITS.historyRows, rows]);
    const first = await history.timeline({ afterSeq: 0 });
    expect([first.length, first[0]?.['seq']]).toEqual([LIMITS.historyRows, 1]);
    await headgateError(() => history.timeline({ limit: LIMITS.historyRowsMax + 1 }), 'HG_OPTION_INVALID');
    await headgateError(() => history.alerts({ limit: Infinity }), 'HG_OPTION_INVALID');
  });

  test('leads to all others, forwards and backwards', async () => {
    const history = await longLog(95);
    const forwards: unknown[] = [];
    for (let afterSeq = 0; ;) {
      const page = await history.timeline({ kind: 'transition', afterSeq, limit: 10 });
      forwards.push(...seqs(page));
      if (page.length < 10) break;
      afterSeq = page.at(-1)?.['seq'] as number;
    }
    const backwards: unknown[] = [];
    for (let beforeSeq = Number.MAX_SAFE_INTEGER; ;) {
      const page = await history.timeline({ actor: 'plc-7', beforeSeq, limit: 10 });
      backwards.unshift(...seqs(page));
      if (page.length < 10) break;
      beforeSeq = page[0]?.['seq'] as number;
    }
    const all = Array.from({ length: 95 }, (_, n) => n + 1);
    expect(forwards).toEqual(all);
    expect(backwards).toEqual(all);
  });
});

test('too many questions at once are refused, and those that waited are answered', async () => {
  const history = historyOf(await writtenStory());
  const asked = Array.from({ length: LIMITS.historyQuestionsMax + 10 }, () =>
    history.timeline({ limit: 1 }).then(
      () => 'answered',
      (error: { code: string; remedy: string }) => `${error.code} ${error.remedy}`,
    ),
  );
  const outcomes = Map.groupBy(await Promise.all(asked), (outcome) => outcome);
  expect([...outcomes].map(([outcome, { length }]) => [outcome, length])).toEqual([
    ['answered', LIMITS.historyQuestionsMax],
    ['HG_HISTORY_OVERLOADED retry', 10],
  ]);
  expect(await history.timeline({ limit: 1 })).toHaveLength(1);
});

describe('while an engine writes', () => {
  test('each question sees what was committed before it', async () => {
    const file = temporaryFile();
    const store = await openStore(file);
    const history = historyOf(file);
    for (let seq = 1; seq <= 30; seq++) {
      await store.commit(writeBatch({ timeline: [timelineRow({ seq })] }));
      expect(seqs(await history.timeline({ limit: 1 }))).toEqual([seq]);
    }
  });

  test('nothing keeps its log from being cut back between two questions', async () => {
    const file = temporaryFile();
    const store = await openStore(file);
    const history = historyOf(file);
    const other = new Database(file);
    onTestFinished(() => void other.close());
    for (let seq = 1; seq <= 5; seq++) {
      await store.commit(writeBatch({ timeline: [timelineRow({ seq })] }));
      await Promise.all([
        history.timeline(),
        history.explain('plc-7'),
        history.stateAt(5),
        history.sources(),
      ]);
      expect(other.pragma('wal_checkpoint(TRUNCATE)')).toEqual([{ busy: 0, log: 0, checkpointed: 0 }]);
    }
    expect(statSync(`${file}-wal`).size).toBe(0);
  });

  test('an engine and its history in one process do not disturb each other', async () => {
    const file = temporaryFile();
    const engine = createEngine({ timeline: { path: file }, logger: SILENT_LOGGER });
    onTestFinished(async () => void (await engine.stop({ deadlineMs: 1_000 })));
    await engine.start();
    await engine.register(simulatedSource({ id: 'plc-7', intervalMs: 1 }));
    const history = historyOf(file);
    await expect.poll(async () => (await history.explain('plc-7')).at(-1)?.['to_state']).toBe('streaming');
    expect((await history.sources()).map((row) => row['source_id'])).toEqual(['plc-7']);
    await history.close();
    await engine.stop();
    const again = historyOf(file);
    expect((await again.timeline({ actor: 'engine', limit: 1 }))[0]).toMatchObject({ kind: 'ended' });
  });
});

test('a file that was moved aside is let go, and the fresh one of its name is read', async () => {
  const file = await writtenStory();
  const history = historyOf(file);
  expect(await history.timeline()).toHaveLength(SCENARIO.length);
  renameSync(file, `${file}.damaged-1`);
  await headgateError(() => history.timeline(), 'HG_STORAGE_NOT_FOUND');
  await writeDatabase(file, { timeline: [timelineRow({ seq: 1, actor: 'plc-1' })] });
  expect(await history.timeline()).toMatchObject([{ seq: 1, actor: 'plc-1' }]);
});

test('a file that is broken is told of, and once it is sound again it is read', async () => {
  const file = await writtenStory();
  const history = historyOf(file);
  await history.timeline();
  const { size } = statSync(file);
  renameSync(file, `${file}.kept`);
  await writeDatabase(file, { timeline: SCENARIO });
  truncateSync(file, 5_000);
  const error = await history.timeline().then(
    () => null,
    (reason: { code: string }) => reason,
  );
  expect(error?.code).toMatch(/^HG_STORAGE_(?:CORRUPT|NOT_A_DATABASE|FAILED)$/);
  renameSync(`${file}.kept`, file);
  expect(statSync(file).size).toBe(size);
  expect(await history.timeline()).toHaveLength(SCENARIO.length);
});

test('an idle history keeps no process alive, and a question does until it is answered', async () => {
  const file = await writtenStory();
  const program = `
    const { openHistory } = await import(process.argv[1]);
    const rows = await openHistory(process.argv[2]).timeline();
    console.log(rows.length);`;
  const module = new URL('../../storage/reading/open-history.ts', import.meta.url).href;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', program, module, file],
    { encoding: 'utf8', timeout: 60_000 },
  );
  expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: `${SCENARIO.length}\n`, stderr: '' });
});
