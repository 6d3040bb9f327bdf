import { expect, test } from 'vitest';
import { lanes, marks, timeAxis, type LaneEvent } from '../../src/cli/demo-lanes.ts';
import { drawReport } from '../../src/cli/demo-drawing.ts';
import type { BurstScenario, DemoReport, LiveFrame } from '../../src/cli/demo-report.ts';
import { bar, demoScene, frameLines, progressLine } from '../../src/cli/demo-frame.ts';
import { createLiveView } from '../../src/cli/live.ts';
import type { Output } from '../../src/cli/output.ts';
import type { SourceHealth } from '../../src/domain/health.ts';

function plainOutput(columns: number | null): Output {
  return {
    columns,
    open: true,
    onClosed: () => {},
    write: () => Promise.resolve(),
    note: () => {},
    style: (_style, text) => text,
  };
}

function health(sourceId: string, fields: Partial<SourceHealth> = {}): SourceHealth {
  return {
    ...{ sourceId, tenant: 'default', type: 'http', state: 'streaming', recordsProduced: 5 },
    ...{ lastReadTimestamp: null, consecutiveErrors: 0, incarnation: 1, restarts: 0, lastError: null },
    ...{
      rate1s: 10,
      queueDepth: 0,
      spilledRecords: 0,
      droppedCount: 0,
      deadLetteredCount: 0,
      lateRecords: 0,
    },
    ...fields,
  };
}

function checkLanes(
  events: [number, 'registered' | 'deregistered', string][],
  expected: Record<string, string>,
): void {
  const drawn = lanes(
    events.map(([atMs, event, sourceId]): LaneEvent => ({ atMs, event, sourceId })),
    5_000,
    11,
  );
  expect(Object.fromEntries(drawn.map(({ sourceId, track }) => [sourceId, track]))).toEqual(expected);
}

test('a source that stays runs to the end of its lane', () => {
  checkLanes([[0, 'registered', 'a']], { a: '+──────────' });
});

test('a source that leaves ends in a cross', () => {
  checkLanes(
    [
      [1_000, 'registered', 'a'],
      [3_000, 'deregistered', 'a'],
    ],
    { a: '  +───×    ' },
  );
});

test('a source that comes back has both stays in one lane', () => {
  checkLanes(
    [
      [0, 'registered', 'a'],
      [1_000, 'deregistered', 'a'],
      [4_000, 'registered', 'a'],
    ],
    { a: '+─×     +──' },
  );
});

test('lanes stand in order of registration, and late events stay on the lane', () => {
  checkLanes(
    [
      [500, 'registered', 'z'],
      [5_000, 'registered', 'y'],
      [9_000, 'deregistered', 'z'],
    ],
    { z: ' +────────×', y: '          +' },
  );
});

test('the axis names each second at its place', () => {
  expect(timeAxis(5_000, 11)).toBe('0 1 2 3 4 5 s');
  expect(timeAxis(10_000, 21)).toBe('0 1 2 3 4 5 6 7 8 9 10 s');
});

test('the axis leaves out what would touch', () => {
  expect(timeAxis(10_000, 11)).toBe('0 2 4 6 8 10 s');
});

test('marks stand at their times', () => {
  expect(marks([0, 2_500, 5_000], 5_000, 5, '!')).toBe('!·!·!');
});

test('a bar is as full as its share, and never more', () => {
  expect([bar(0, 4), bar(0.5, 4), bar(1, 4), bar(7, 4), bar(-1, 4)]).toEqual([
    '░░░░',
    '██░░',
    '████',
    '████',
    '░░░░',
  ]);
});

const frame: LiveFrame = {
  elapsedMs: 1_500,
  durationMs: 3_000,
  sources: [
    health('http-1'),
    health('mqtt-1', {
      type: 'mqtt',
      recordsProduced: 20,
      rate1s: 40.4,
      droppedCount: 2,
      deadLetteredCount: 0,
    }),
  ],
  queue: { name: 'queue', records: 8, capacityRecords: 10 },
};

test('a frame shows progress, the queue and a row for each source', () => {
  const lines = frameLines(frame, plainOutput(80));
  expect(lines[1]).toContain('1.5 of 3.0 s   25 records   50/s');
  expect(lines[2]).toContain('queue 8/10');
  const rows = lines.map((line) => line.trim().split(/\s+/));
  expect(rows).toContainEqual(['mqtt-1', 'mqtt', 'streaming', '20', '40', '0', '0', '0', '2']);
});

test('a frame of many sources stays small', () => {
  const sources = Array.from({ length: 40 }, (_, index) => health(`s-${index}`));
  const lines = frameLines({ ...frame, sources }, plainOutput(80));
  expect(lines.length).toBeLessThan(20);
  expect(lines.at(-1)).toContain('and 28 more');
});

test('no line of a frame is wider than the terminal', () => {
  const sources = [health('a-source-with-quite-a-long-name-that-goes-on-and-on'.repeat(2))];
  for (const columns of [60, 80, 120]) {
    const lines = frameLines({ ...frame, sources }, plainOutput(columns));
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(columns);
  }
});

test('progress on one line says time, records, rate and fill', () => {
  expect(progressLine(frame)).toBe('  … 1.5 of 3.0 s, 25 records, 50/s, queue 8/10');
});

test('time shown never passes the end', () => {
  expect(progressLine({ ...frame, elapsedMs: 3_020 })).toContain('3.0 of 3.0 s');
});

/** Keeps what is written to it. */
function fakeStream(isTTY: boolean): { stream: NodeJS.WriteStream; text: () => string } {
  let text = '';
  const stream = { isTTY, columns: 80, write: (part: string) => ((text += part), true) };
  return { stream: stream as unknown as NodeJS.WriteStream, text: () => text };
}

test('where there is no terminal, no line bears a control sequence', () => {
  const { stream, text } = fakeStream(false);
  const view = createLiveView(stream);
  view.watch(() => demoScene(frame, plainOutput(80)));
  view.say('one');
  view.say('two');
  view.close();
  expect(text()).toBe('one\ntwo\n');
});

test('on a terminal what is said scrolls above the block, and the block goes away at the end', () => {
  const { stream, text } = fakeStream(true);
  const exitListeners = process.listenerCount('exit');
  const view = createLiveView(stream);
  view.watch(() => demoScene(frame, plainOutput(80)));
  view.say('one');
  view.say('two');
  view.close();
  view.close();
  expect(screenAfter(text())).toEqual(['one', 'two']);
  expect(text().lastIndexOf('\u001b[?25h')).toBeGreaterThan(text().lastIndexOf('\u001b[?25l'));
  expect(process.listenerCount('exit')).toBe(exitListeners);
});

test('a block higher than the terminal is cut, so that nothing scrolls away that must be erased', () => {
  const { stream, text } = fakeStream(true);
  const view = createLiveView(Object.assign(stream, { rows: 5 }));
  view.watch(() => ({ lines: () => ['a', 'b', 'c', 'd', 'e', 'f'], progress: () => '' }));
  view.say('one');
  expect(screenAfter(text())).toEqual(['one', 'a', 'b', 'c', 'd']);
  view.close();
});

/** What a terminal shows after this output: knows cursor-up, erase-below and the cursor's visibility. */
function screenAfter(output: string): string[] {
  let lines: string[] = [''];
  for (const part of output.split(/(\u001b\[\??\d*[a-zA-Z])/)) {
    const control = /^\u001b\[(\??)(\d*)([a-zA-Z])$/.exec(part);
    if (control === null) {
      const [head = '', ...rest] = part.replaceAll('\r', '').split('\n');
      lines[lines.length - 1] += head;
      lines.push(...rest);
    } else if (control[3] === 'A') {
      lines = lines.slice(0, lines.length - Number(control[2]));
      lines[lines.length - 1] = '';
    } else {
      expect(['J', 'h', 'l']).toContain(control[3]);
    }
  }
  while (lines.at(-1) === '') lines.pop();
  return lines;
}

const scenario: BurstScenario = {
  limitPerSecond: 20,
  ingested: 100,
  dropped: 7,
  alerts: [
    {
      ...{ event: 'BURST', severity: 'warning', sourceId: 'bursty', windowRecords: 31, windowDurationMs: 30 },
      ...{
        rate: null,
        timestamp: 1_577_836_800_031,
        start: 1_577_836_800_001,
        end: 1_577_836_800_031,
        again: false,
      },
    },
  ],
};

const reports: DemoReport[] = [
  {
    ...{
      demo: 'health',
      seed: 1,
      sources: [health('http-1')],
      totalsByType: { http: 5, mqtt: 0 },
      drained: 5,
    },
    ...{
      healthSummaries: [{ atMs: 500, sources: [health('http-1', { consecutiveErrors: 2 })] }],
      db: 'x.db',
    },
  },
  {
    ...{
      demo: 'backpressure',
      produced: 100,
      passed: 70,
      filtered: 30,
      consumed: 70,
      highWater: 10,
      db: 'x.db',
    },
    ...{ queueWaitMs: { avg: 8.5, max: 10, over5ms: 60 }, printed: [{ index: 10, queueWaitMs: 0 }] },
  },
  {
    ...{ demo: 'registry', total: 3, perSource: { a: 3 }, db: 'x.db' },
    timeline: [{ atMs: 0, event: 'registered', sourceId: 'a' }],
  },
  { demo: 'burst', ...scenario, scenarios: [scenario, { ...scenario, alerts: [] }], db: 'x.db' },
];

test.for(reports)('the report of $demo is drawn whole, in lines that fit', (report) => {
  for (const columns of [null, 80]) {
    const lines = drawReport(report, plainOutput(columns)).join('\n').split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(columns ?? 110);
    expect(lines.join('\n')).not.toMatch(/undefined|NaN|null/);
  }
});

test('reports of a run that was ended at once are drawn too', () => {
  const empty: DemoReport[] = [
    {
      ...(reports[0] as Extract<DemoReport, { demo: 'health' }>),
      sources: [],
      healthSummaries: [],
      drained: 0,
    },
    { ...(reports[1] as Extract<DemoReport, { demo: 'backpressure' }>), printed: [] },
    { demo: 'registry', total: 0, perSource: {}, timeline: [], db: 'x.db' },
  ];
  for (const report of empty)
    expect(drawReport(report, plainOutput(80)).join('\n')).not.toMatch(/undefined|NaN|Infinity/);
});
