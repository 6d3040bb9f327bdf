import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { connectAsync } from 'mqtt';
import { expect, onTestFinished, test } from 'vitest';
import { isMissing, startBroker } from '../../demos/parts/broker.ts';
import { startHttpSensor } from '../../demos/parts/http-sensor.ts';
import { startPublisher } from '../../demos/parts/publisher-process.ts';
import { fahrenheit, loadReadings, readingsFrom } from '../../demos/parts/readings.ts';
import { seededRandom } from '../../src/testing.ts';

const dataFolder = new URL('../../demos/data/', import.meta.url);

test('the data set is the file its note names, to the byte', () => {
  const digest = createHash('sha256')
    .update(readFileSync(new URL('seattle-weather.csv', dataFolder)))
    .digest('hex');
  expect(readFileSync(new URL('SOURCE.md', dataFolder), 'utf8')).toContain(digest);
});

test('readings are whole, in order of days, and go round', () => {
  const readings = loadReadings();
  expect(readings).toHaveLength(1_461);
  expect(readings[0]).toEqual({ date: '2012-01-01', celsiusMax: 12.8, celsiusMin: 5, precipitationMm: 0 });
  const dates = readings.map((reading) => reading.date);
  expect(dates).toEqual([...dates].sort());
  expect(readings.every(({ celsiusMax, celsiusMin }) => celsiusMax >= celsiusMin)).toBe(true);
  const read = readingsFrom(1_460);
  expect([read().date, read().date]).toEqual(['2015-12-31', '2012-01-01']);
});

test('Fahrenheit has the fixed points of its scale', () => {
  expect([fahrenheit(0), fahrenheit(100), fahrenheit(12.8)]).toEqual([32, 212, 55]);
});

test('a sensor fails as often as it is told, in all three ways, and the same way again', async () => {
  const outcomes = async () => {
    const random = seededRandom(7);
    const sensor = await startHttpSensor({
      read: readingsFrom(0),
      failRate: 0.5,
      random: () => random.next(),
      lateAnswerMs: 60_000,
    });
    const seen: string[] = [];
    for (let request = 0; request < 40; request++) seen.push(await outcomeOf(sensor.url));
    expect(sensor.counts()).toEqual({
      requests: 40,
      failed: seen.filter((outcome) => outcome !== '200').length,
    });
    await sensor.close();
    await expect(fetch(sensor.url)).rejects.toThrow();
    return seen;
  };
  const [first, second] = await Promise.all([outcomes(), outcomes()]);
  expect(new Set(first)).toEqual(new Set(['200', '503', 'reset', 'late']));
  expect(second).toEqual(first);
});

/** `late` is told by the timeout of this request alone: nothing else takes so long on loopback. */
async function outcomeOf(url: string): Promise<string> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(250) });
    await response.text();
    return String(response.status);
  } catch (error) {
    return (error as Error).name === 'TimeoutError' ? 'late' : 'reset';
  }
}

test('a sensor that never fails gives its readings in order', async () => {
  await using sensor = await startHttpSensor({
    read: readingsFrom(2),
    failRate: 0,
    random: () => 0,
    lateAnswerMs: 0,
  });
  const dates: unknown[] = [];
  for (let request = 0; request < 3; request++) {
    dates.push(((await (await fetch(sensor.url)).json()) as { date: string }).date);
  }
  expect(dates).toEqual(['2012-01-03', '2012-01-04', '2012-01-05']);
});

test('the publisher feeds the data set through the broker, every topic to its end', async () => {
  await using broker = await startBroker();
  const client = await connectAsync(broker.url);
  onTestFinished(() => client.endAsync(true));
  await client.subscribeAsync('weather/#', { qos: 1 });
  const received: Record<string, string[]> = {};
  client.on('message', (topic, payload) => {
    (received[topic] ??= []).push((JSON.parse(payload.toString()) as { date: string }).date);
  });
  await using publisher = await startPublisher({
    brokerUrl: broker.url,
    feeds: [
      { topic: 'weather/a', qos: 1, startDay: 0, cycle: [{ waitMs: 0, records: 20 }], cycles: 1 },
      {
        topic: 'weather/b',
        qos: 1,
        startDay: 5,
        cycle: [
          { waitMs: 5, records: 2 },
          { waitMs: 1, records: 1 },
        ],
        cycles: 2,
      },
    ],
  });
  expect(received).toEqual({});
  publisher.begin();
  expect(await publisher.finished).toEqual({ 'weather/a': 20, 'weather/b': 6 });
  await expect.poll(() => Object.values(received).flat().length).toBe(26);
  const expected = (start: number, count: number) =>
    loadReadings()
      .slice(start, start + count)
      .map(({ date }) => date);
  expect(received).toEqual({ 'weather/a': expected(0, 20), 'weather/b': expected(5, 6) });
});

test('a publisher that is stopped before or during its work leaves no process behind', async () => {
  await using broker = await startBroker();
  const endless = {
    topic: 'weather/a',
    qos: 1 as const,
    startDay: 0,
    cycle: [{ waitMs: 1, records: 1 }],
    cycles: null,
  };
  for (const begins of [false, true]) {
    const publisher = await startPublisher({ brokerUrl: broker.url, feeds: [endless] });
    if (begins) publisher.begin();
    expect(isAlive(publisher.pid)).toBe(true);
    await publisher.stop();
    await publisher.stop();
    expect(isAlive(publisher.pid)).toBe(false);
    const published = await publisher.finished;
    if (!begins) expect(published).toEqual({ 'weather/a': 0 });
  }
});

test('a publisher that loses its broker says so', async () => {
  const broker = await startBroker();
  const publisher = await startPublisher({
    brokerUrl: broker.url,
    feeds: [{ topic: 'weather/a', qos: 1, startDay: 0, cycle: [{ waitMs: 1, records: 1 }], cycles: null }],
  });
  publisher.begin();
  await broker.close();
  await expect(publisher.finished).rejects.toThrow('the connection to the broker was lost');
  await expect(publisher.stop()).rejects.toThrow('the publisher ended too early');
  expect(isAlive(publisher.pid)).toBe(false);
});

test('a publisher without a broker fails at once', async () => {
  const broker = await startBroker();
  await broker.close();
  await expect(startPublisher({ brokerUrl: broker.url, feeds: [] })).rejects.toThrow('ECONNREFUSED');
});

test('a broker that is closed cuts every connection', async () => {
  const broker = await startBroker();
  const socket = connect(Number(new URL(broker.url).port), '127.0.0.1');
  socket.on('error', () => {});
  await new Promise((resolve) => socket.once('connect', resolve));
  const cut = new Promise((resolve) => socket.once('close', resolve));
  await Promise.all([broker.close(), broker.close(), cut]);
  await expect(connectAsync(broker.url, { reconnectPeriod: 0 })).rejects.toThrow('ECONNREFUSED');
});

test('only the missing package itself counts as missing', () => {
  const program = `import('aedes').catch((e) => console.log(JSON.stringify({ ...e, message: e.message })))`;
  const output = execFileSync(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: tmpdir(),
  });
  const missing = JSON.parse(output.toString()) as { code: string; message: string };
  const inner = { ...missing, message: missing.message.replace("'aedes'", "'aedes-packet'") };
  expect(inner.message).not.toBe(missing.message);
  expect([missing, inner, new Error("'aedes'"), null].map((error) => isMissing(error, 'aedes'))).toEqual([
    ...[true, false, false, false],
  ]);
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
