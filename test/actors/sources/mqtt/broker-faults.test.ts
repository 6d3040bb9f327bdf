/** What the MQTT source does when brokers and networks fail: one table of cases, each broker passes those it
 *  declares. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { describe, expect, test } from 'vitest';
import { realClock } from '../../../../src/platform/real-clock.ts';
import { BROKER_KINDS, numbers, payloads, sorted, useBroker } from '../../../support/mqtt-broker-field.ts';
import { fastClock } from '../../../support/fast-clock.ts';
import { startPublisher } from '../../../support/mqtt-publisher.ts';
import { startRun } from '../../../support/mqtt-runs.ts';
import { skipNote } from '../../../support/skip-note.ts';

describe.each(BROKER_KINDS)('$name', (kind) => {
  const { missing, start } = kind;
  describe.skipIf(missing !== null)(`${missing ?? 'runs here'}${skipNote(kind.lacks)}`, () => {
    const field = useBroker(kind);
    const { fresh, sourceOf, open, throughProxy, kept, withFeature } = field;

    test('publishes the will when the connection is cut, not when the source stops', async () => {
      const plant = fresh();
      const watcher = await open({ id: 'watcher', topics: `${plant}/will/#` });
      const will = (text: string) => ({
        topic: `${plant}/will/${text}`,
        payload: `"${text}"`,
        qos: 1 as const,
      });
      const stopped = await open({ ...throughProxy(), will: will('stopped') });
      await stopped.stop();
      const cut = await open({ ...throughProxy(), will: will('cut') });
      field.proxy.cut();
      expect(await cut.over).toMatchObject({ code: 'HG_LINK_LOST', remedy: 'retry' });
      await watcher.records(1);
      expect(payloads(watcher)).toEqual(['cut']);
      await watcher.stop();
    });

    test('publishes the will when the process dies', async () => {
      const plant = fresh();
      const watcher = await open({ id: 'watcher', topics: `${plant}/will` });
      const options = {
        id: 'm',
        url: field.broker.url,
        topics: `${plant}/a`,
        will: { topic: `${plant}/will`, payload: '1' },
      };
      const script = new URL('../../../support/mqtt-child.ts', import.meta.url).pathname;
      const child = spawn(process.execPath, [script, JSON.stringify(options)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
      expect(line).toBe('open');
      child.kill('SIGKILL');
      await watcher.records(1);
      expect(watcher.values).toEqual([1]);
      await watcher.stop();
    });

    describe('when the connection is cut in mid-stream, again and again', () => {
      withFeature('sends again').each([1, 2] as const)(
        'a kept session at QoS %i loses nothing',
        async (qos) => {
          const plant = fresh();
          const spec = sourceOf({ ...kept(), ...throughProxy(), qos });
          const received: unknown[] = [];
          const prepare = startRun(spec, realClock);
          await prepare.whenOpened();
          await prepare.stop();
          const total = 1_500;
          const publishing = field.publisher.publishNumbers(`${plant}/a`, total, { qos });
          let cuts = 0;
          while (new Set(received).size < total) {
            const run = startRun(spec, realClock);
            // The link goes after so many records, at whatever packet that is.
            const goal = cuts < 8 ? 40 + 20 * cuts : total - new Set(received).size;
            await Promise.race([run.records(goal), run.over]);
            if (cuts < 8) {
              field.proxy.cut();
              cuts++;
              expect(await run.over).toMatchObject({ code: 'HG_LINK_LOST' });
            } else {
              await run.stop();
            }
            received.push(...run.values);
          }
          await publishing;
          expect(sorted([...new Set(received)])).toEqual(numbers(total));
          // QoS 2 is exactly once as long as the process lives.
          if (qos === 2) expect(sorted(received)).toEqual(numbers(total));
        },
      );
    });

    test('a broker that dies ends the run; the next one finds it when it is back', async () => {
      const plant = fresh();
      const mortal = await start();
      const spec = sourceOf({ url: mortal.url });
      const first = startRun(spec, realClock);
      await first.whenOpened();
      await mortal.kill();
      expect(await first.over).toMatchObject({ code: 'HG_LINK_LOST', remedy: 'retry' });
      const refused = startRun(spec, realClock);
      expect(await refused.over).toMatchObject({ code: 'HG_LINK_REFUSED', remedy: 'retry' });
      await mortal.restart();
      const second = startRun(spec, realClock);
      await second.whenOpened();
      const device = await startPublisher(mortal.url);
      await device.publish(`${plant}/a`, '1');
      await second.records(1);
      await second.stop();
      await device.close();
      await mortal.dispose();
    });

    test('a broker that comes back without the session it was to keep is an alert, and is subscribed to again', async () => {
      const plant = fresh();
      const session = kept();
      const mortal = await start();
      const spec = sourceOf({ url: mortal.url, ...session });
      const first = startRun(spec, realClock);
      await first.whenOpened();
      expect(first.alerts).toEqual([]);
      await mortal.kill();
      await first.over;
      await mortal.restart();
      const second = startRun(spec, realClock);
      await second.whenOpened();
      expect(second.alerts).toMatchObject([
        { event: 'BROKER_SESSION_LOST', details: { clientId: session.clientId } },
      ]);
      const device = await startPublisher(mortal.url);
      await device.publish(`${plant}/a`, '1');
      await second.records(1);
      await second.stop();
      await device.close();
      await mortal.dispose();
    });

    withFeature('keeps sessions over a restart')(
      'a broker that restarts gives what it had stored',
      async () => {
        const plant = fresh();
        const mortal = await start();
        const spec = sourceOf({ url: mortal.url, ...kept() });
        const first = startRun(spec, realClock);
        await first.whenOpened();
        await first.stop();
        const device = await startPublisher(mortal.url);
        await device.publishNumbers(`${plant}/a`, 300);
        await device.close();
        await mortal.restart();
        const second = startRun(spec, realClock);
        await second.records(300);
        expect(second.values).toEqual(numbers(300));
        await second.stop();
        await mortal.dispose();
      },
    );

    // After how long exactly is shown under the virtual clock, in keepalive.test.ts.
    test('a link that goes silent is found dead, not before one and a half keepalives', async () => {
      fresh();
      const clock = fastClock(20);
      const run = startRun(sourceOf({ ...throughProxy(), keepaliveSeconds: 10 }), clock);
      await run.whenOpened();
      field.proxy.freeze();
      const frozenAtMs = clock.monotonicMs();
      const error = await run.over;
      const silentMs = clock.monotonicMs() - frozenAtMs;
      field.proxy.thaw();
      field.proxy.cut();
      expect(error).toMatchObject({ code: 'HG_LINK_LOST' });
      expect(error?.message).toContain('no sign of life for 15000 ms');
      // Bytes may have come up to a ping before the freezing.
      expect(silentMs).toBeGreaterThan(12_500);
    });

    test('a quiet link is kept alive for many keepalives', { tags: 'full' }, async () => {
      const plant = fresh();
      const clock = fastClock(20);
      const run = startRun(sourceOf({ ...throughProxy(), keepaliveSeconds: 10 }), clock);
      await run.whenOpened();
      await clock.sleep(60_000);
      await field.publisher.publish(`${plant}/a`, '1');
      await run.records(1);
      await run.stop();
    });

    test('a slow link delivers everything and is not taken for a dead one', async () => {
      const plant = fresh();
      field.proxy.throttle(50_000);
      const clock = fastClock(20);
      const run = startRun(sourceOf({ ...throughProxy(), keepaliveSeconds: 5, decode: 'text' }), clock);
      await run.whenOpened();
      // One message takes longer on the line than the silence a link is allowed.
      await field.publisher.publish(`${plant}/a`, 'x'.repeat(30_000));
      await run.records(1);
      expect(run.values).toEqual(['x'.repeat(30_000)]);
      await run.stop();
      field.proxy.throttle(null);
    });

    describe('a full outlet', () => {
      test('stops the reading, the connection stays up, and nothing is lost', { tags: 'full' }, async () => {
        const plant = fresh();
        const clock = fastClock(20);
        const spec = sourceOf({ ...kept(), ...throughProxy(), keepaliveSeconds: 20 });
        const prepare = startRun(spec, clock);
        await prepare.whenOpened();
        await prepare.stop();
        await field.publisher.publishNumbers(`${plant}/a`, 3_000);
        const run = startRun(spec, clock, { room: 5 });
        await run.records(5);
        // Many holds, each shorter than half a keepalive, together much longer than one.
        for (let taken = 5; taken < 35; taken += 5) {
          await clock.sleep(6_000);
          expect(run.values).toHaveLength(taken);
          run.makeRoom(5);
          await run.records(taken + 5);
        }
        expect(field.proxy.connections).toBe(1);
        run.makeRoom(3_000);
        await run.records(3_000);
        expect(run.values).toEqual(numbers(3_000));
        await run.stop();
      });

      withFeature('sends again')(
        'at the stop acknowledges what it took, so that nothing comes twice',
        async () => {
          const plant = fresh();
          const spec = sourceOf(kept());
          const run = startRun(spec, realClock, { room: 2 });
          await run.whenOpened();
          await field.publisher.publishNumbers(`${plant}/a`, 5);
          await run.records(2);
          await run.stop();
          const next = startRun(spec, realClock);
          await next.records(3);
          expect([run.values, next.values]).toEqual([numbers(2), numbers(3, 3)]);
          await next.stop();
        },
      );

      withFeature('sends again')(
        'that stays full for half a keepalive ends the link, and loses nothing',
        async () => {
          const plant = fresh();
          const clock = fastClock(20);
          const spec = sourceOf({ ...kept(), keepaliveSeconds: 10 });
          const run = startRun(spec, clock, { room: 100 });
          await run.whenOpened();
          await field.publisher.publishNumbers(`${plant}/a`, 1_000);
          const error = await run.over;
          expect(error).toMatchObject({ code: 'HG_LINK_LOST', remedy: 'retry' });
          expect(error?.message).toContain('held back');
          expect(run.values).toEqual(numbers(100));
          const next = startRun(spec, clock);
          await next.records(900);
          expect(next.values).toEqual(numbers(900, 101));
          await next.stop();
        },
      );
    });
  });
});
