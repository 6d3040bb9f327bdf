/** Floods of commands that are refused: over the control topic, by HTTP and by the library. They write a
 *  bounded number of rows, and one that counts the rest. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { MqttMessage } from '../../actors/protocols/mqtt/transport.ts';
import { SILENT_LOGGER } from '../../src/domain/logger.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import { createControlCommands } from '../../src/gateway/control-commands.ts';
import { noteCommand } from '../../src/http/command-note.ts';
import { hashOf } from '../../src/http/token-text.ts';
import { createEngine, pushSource, type Engine } from '../../src/index.ts';
import { virtualClock } from '../../src/testing.ts';
import { smallGateway } from '../http/small-gateway.ts';
import { query, temporaryFile } from '../storage/fixture.ts';

const { refusalRowsPerMinuteMax: ROWS, controlStrangerAnswersPerMinuteMax: ANSWERS } = LIMITS;
const FLOOD = 1_000;
const TOKEN = 'hg_operator';
const tokens = [
  { name: 'op', hash: hashOf(TOKEN), scopes: ['operate'], expiresAtMs: null, sources: null },
] as const;

let engine: Engine;
let file: string;
const clock = virtualClock();

beforeEach(async () => {
  file = temporaryFile();
  engine = createEngine({ logger: SILENT_LOGGER, timeline: { path: file }, clock });
  await engine.start();
});
afterEach(async () => void (await engine.stop()));

/** Rows of the events that match, once the engine has stored everything. */
async function rows(like: string): Promise<{ event: string; data: Record<string, unknown> }[]> {
  await clock.runUntil(engine.stop());
  return query(file, `SELECT event, data FROM timeline WHERE event LIKE '${like}' ORDER BY seq`).map(
    ({ event, data }) => ({
      event: String(event),
      data: JSON.parse(String(data)) as Record<string, unknown>,
    }),
  );
}

const commands = () =>
  createControlCommands({
    ...{ gateway: smallGateway(engine, 0), tokens: () => tokens, failedLoginsPerMinuteMax: 10 },
    ...{ clock, log: SILENT_LOGGER },
  });

const message = (content: object, topic = 'gw/control') =>
  ({ topic, payload: Buffer.from(JSON.stringify(content)), qos: 1, retain: false }) as unknown as MqttMessage;

describe('a flood over the control topic', () => {
  test('without a token is a bounded number of short rows and answers, and a count', async () => {
    const control = commands();
    let answered = 0;
    for (let n = 0; n < FLOOD; n++) {
      const sent = message({ type: 'registry.pause', id: 'x'.repeat(9_000) }, `gw/${'t'.repeat(60_000)}`);
      if (!(await control.answer(sent)).isUnanswered) answered++;
    }
    control.close();
    expect(answered).toBe(ANSWERS);
    const found = await rows('config.command%');
    expect(found).toHaveLength(ROWS + 1);
    expect(found.at(-1)).toEqual({
      event: 'config.commandsRefused',
      data: { over: 'mqtt', count: FLOOD - ROWS },
    });
    for (const { data } of found) expect(JSON.stringify(data).length).toBeLessThan(1_000);
  });

  test('by a token about what is not there is answered, and writes a bounded number of rows', async () => {
    const control = commands();
    for (let n = 0; n < FLOOD; n++) {
      const sent = message({ type: 'registry.pause', id: `nothing-${n}`, token: TOKEN });
      const { answer, isUnanswered } = await clock.runUntil(control.answer(sent));
      expect([answer['code'], isUnanswered]).toEqual(['HG_SOURCE_UNKNOWN', false]);
    }
    control.close();
    const found = await rows('%ommand%');
    expect(found.filter(({ event }) => event === 'config.command')).toEqual([]);
    expect(found.length).toBeLessThanOrEqual(2 * ROWS + 2);
  });

  test('that only looks writes a bounded number of rows', async () => {
    const control = commands();
    for (let n = 0; n < FLOOD; n++) await control.answer(message({ type: 'registry.list', token: TOKEN }));
    control.close();
    const found = await rows('config.command%');
    expect(found).toHaveLength(ROWS + 1);
    expect(found.at(-1)?.data['count']).toBe(FLOOD - ROWS);
  });

  test('leaves a command about what is there its row', async () => {
    const control = commands();
    await clock.runUntil(engine.register(pushSource({ id: 'door' })));
    for (let n = 0; n < FLOOD; n++) await control.answer(message({ type: 'nonsense' }));
    await clock.runUntil(control.answer(message({ type: 'registry.pause', id: 'door', token: TOKEN })));
    control.close();
    expect(await rows('config.command')).toMatchObject([{ data: { id: 'door', by: 'op' } }]);
  });
});

test('a flood over HTTP about what is not there writes no row of the command', async () => {
  const principal = { name: 'op', scopes: new Set(['operate'] as const), sources: null };
  for (let n = 0; n < 10; n++) {
    expect(noteCommand(engine, { type: 'registry.pause', id: `nothing-${n}`, principal })).toEqual({});
    expect(noteCommand(engine, { type: 'sinks.pause', id: `nothing-${n}`, principal })).toEqual({});
  }
  expect(await rows('config.command')).toEqual([]);
});

test('a flood of messages to the engine is a bounded number of rows a minute, and a count', async () => {
  for (let n = 0; n < FLOOD; n++) engine.send({ type: 'registry.pause', id: `nothing-${n}` });
  await clock.advance(60_000);
  for (let n = 0; n < FLOOD; n++) engine.send({ type: 'nonsense' } as never);
  const found = await rows('%refused');
  const counts = found.filter(({ event }) => event === 'commands.refused').map(({ data }) => data['count']);
  expect(counts).toEqual([FLOOD - ROWS, FLOOD - ROWS]);
  expect(found).toHaveLength(2 * ROWS + 2);
});
