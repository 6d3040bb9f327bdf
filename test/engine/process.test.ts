import { expect, test } from 'vitest';
import { query, temporaryFile } from '../storage/fixture.ts';
import { startProgram } from './process.ts';

/** A bursty source whose alerts the program prints; it never ends by itself. */
const BURSTY = `
import { createEngine, simulatedSource } from 'headgate';
const engine = createEngine({
  timeline: { path: process.argv[2] },
  burst: { thresholdRecords: 5, windowMs: 200, onBurst: (alert) => console.log('burst ' + alert.timestamp) },
});
await engine.start();
await engine.register(simulatedSource({ id: 'bursty', burst: { recordsMin: 8, recordsMax: 8, gapMs: 300 } }));
`;

test(
  'an alert is in the table before it is shown, and a kill shows at the next start as a gap',
  { tags: 'full' },
  async () => {
    const file = temporaryFile();
    const killed = startProgram(BURSTY, file);
    const shown = await killed.line((line) => line.startsWith('burst '));
    killed.kill('SIGKILL');
    expect((await killed.ended).signal).toBe('SIGKILL');
    const stored = query(file, "SELECT data ->> '$.timestamp' AS at FROM alerts WHERE event = 'BURST'");
    expect(stored.map((row) => `burst ${String(row['at'])}`)).toContain(shown);
    expect(query(file, 'SELECT end FROM runs')).toEqual([{ end: null }]);

    const next = startProgram(BURSTY, file);
    await next.line((line) => line.startsWith('burst '));
    next.kill('SIGKILL');
    await next.ended;
    expect(query(file, 'SELECT run, end FROM runs')).toEqual([
      { run: 1, end: 'crash' },
      { run: 2, end: null },
    ]);
    const [gap] = query(file, "SELECT seq, run, event, data FROM timeline WHERE kind = 'gap'");
    expect(gap).toMatchObject({ run: 2, event: 'engine.outage' });
    expect(JSON.parse(gap?.['data'] as string)).toMatchObject({
      previousRun: 1,
      lengthMs: expect.any(Number),
    });
    const lost = query(
      file,
      "SELECT actor, to_state, cause FROM timeline WHERE kind = 'ended' AND event = 'crash'",
    );
    expect(lost).toContainEqual({ actor: 'bursty', to_state: 'stopped', cause: gap?.['seq'] });
    const incarnations = query(file, 'SELECT DISTINCT incarnation FROM records ORDER BY 1');
    expect(incarnations).toEqual([{ incarnation: 1 }, { incarnation: 2 }]);
  },
);

test('a second process on the same database is refused, and the first one does not notice', async () => {
  const file = temporaryFile();
  const first = startProgram(BURSTY, file);
  await first.line((line) => line.startsWith('burst '));
  const second = await startProgram(BURSTY, file).ended;
  expect(second.code).toBe(1);
  expect(second.stderr).toContain('HG_STORAGE_LOCKED');
  const shown = first.lines.length;
  await first.line((line) => line.startsWith('burst ') && first.lines.indexOf(line) >= shown);
});

test('a whole engine runs under plain node, and the process ends by itself after the stop', async () => {
  const program = startProgram(`
import { boundedQueue, createEngine, filter, mqttSource, pushSource, simulatedSource, transform } from 'headgate';
const engine = createEngine({
  rateLimit: { recordsPerSecondMax: 1_000 },
  burst: { thresholdRecords: 30, windowMs: 500 },
  stages: [
    filter((r) => r.data !== 2),
    boundedQueue({ stageName: 'middle', capacityRecords: 4 }),
    transform((r) => { if (r.data === 3) throw new Error('three'); return r.data * 10; }),
  ],
  logger: { debug() {}, info() {}, warn() {}, error() {} },
});
const seen = [];
engine.records$.subscribe((r) => { seen.push(r.data ?? r.error.message); throw new Error('a subscriber of mine'); });
await engine.start();
const source = pushSource({ id: 'events' });
await engine.register(source);
await engine.register(simulatedSource({ id: 'crashing', intervalMs: 1, script: ['crash'] }));
await engine.register(mqttSource({ id: 'nobody', url: 'mqtt://127.0.0.1:9', topics: 'a' }));
engine.send({ type: 'no.such.command' });
engine.send({ type: 'registry.pause', id: 'unknown' });
for (const n of [1, 2, 3, 4]) await source.push(n);
const { delivered, sources } = await engine.stop();
console.log(JSON.stringify({ seen, delivered, states: sources.map((s) => s.sourceId + ' ' + s.state) }));
`);
  const { code, stderr } = await program.ended;
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(JSON.parse(program.lines[0] ?? '')).toEqual({
    seen: [10, 'three', 40],
    delivered: 3,
    states: ['events stopped', 'crashing stopped', 'nobody stopped'],
  });
});
