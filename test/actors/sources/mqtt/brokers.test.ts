/** What the MQTT source does with real brokers: one table of cases, each broker passes those it declares. */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mqttConnection } from '../../../../actors/sources/mqtt/connection.ts';
import { mqttSource, type MqttEnvelope } from '../../../../actors/sources/mqtt/mqtt-source.ts';
import { realClock } from '../../../../src/platform/real-clock.ts';
import { BROKER_KINDS, numbers, sorted, useBroker } from '../../../support/mqtt-broker-field.ts';
import type { TestBroker } from '../../../support/mqtt-brokers.ts';
import { makeCertificates, type TestCertificates } from '../../../support/mqtt-certificates.ts';
import { startPublisher } from '../../../support/mqtt-publisher.ts';
import { startRun } from '../../../support/mqtt-runs.ts';
import { skipNote } from '../../../support/skip-note.ts';

describe.each(BROKER_KINDS)('$name', (kind) => {
  const { missing, start } = kind;
  describe.skipIf(missing !== null)(`${missing ?? 'runs here'}${skipNote(kind.lacks)}`, () => {
    const field = useBroker(kind);
    const { fresh, sourceOf, open, throughProxy, kept, withFeature } = field;

    describe.each([4, 5] as const)('with protocol version %i', (protocolVersion) => {
      const versioned = protocolVersion === 5 ? withFeature('mqtt5') : test;

      versioned.each([0, 1, 2] as const)('takes several topics with wildcards at QoS %i', async (qos) => {
        const plant = fresh();
        const topics = [`${plant}/+/speed`, `${plant}/alarms/#`, { topic: `${plant}/one`, qos: 0 as const }];
        const run = await open({ topics, qos, protocolVersion });
        const sent: [string, unknown][] = [
          [`${plant}/a/speed`, 1],
          [`${plant}/b/speed`, { deep: [2] }],
          [`${plant}/alarms`, 'three'],
          [`${plant}/alarms/x/y`, null],
          [`${plant}/one`, 5],
        ];
        await field.publisher.publish(`${plant}/a/b/speed`, '"not wanted"', { qos });
        for (const [topic, value] of sent)
          await field.publisher.publish(topic, JSON.stringify(value), { qos });
        await run.records(sent.length);
        expect(run.values).toEqual(
          sent.map(([topic, payload]) => ({
            ...{ topic, payload, retain: false },
            qos: topic === `${plant}/one` ? 0 : qos,
          })),
        );
        await run.stop();
      });

      versioned('gives a kept session’s backlog, all of it and in order, at the connect', async () => {
        const plant = fresh();
        const first = await open({ ...kept(), protocolVersion });
        await first.stop();
        await field.publisher.publishNumbers(`${plant}/a`, 2_000);
        const second = await open({ ...kept(), protocolVersion });
        await second.records(2_000);
        expect(second.values).toEqual(numbers(2_000));
        await second.stop();
      });

      versioned('forgets a clean session', async () => {
        const plant = fresh();
        const first = await open({ protocolVersion });
        await first.stop();
        await field.publisher.publish(`${plant}/a`, '1');
        const second = await open({ protocolVersion });
        await field.publisher.publish(`${plant}/a`, '2');
        await second.records(1);
        expect(second.values).toEqual([2]);
        await second.stop();
      });

      versioned('takes retained messages and says that they are', async () => {
        const plant = fresh();
        await field.publisher.publish(`${plant}/a`, '1', { retain: true });
        const run = await open({ envelope: true, protocolVersion });
        await run.records(1);
        await field.publisher.publish(`${plant}/a`, '2');
        await run.records(2);
        expect(run.values).toMatchObject([
          { payload: 1, retain: true },
          { payload: 2, retain: false },
        ]);
        await run.stop();
      });

      versioned('reads over a retained message that is too large, once a session, and goes on', async () => {
        const plant = fresh();
        await field.publisher.publish(`${plant}/image`, Buffer.alloc(300_000), { retain: true });
        const options = { ...kept(), topics: `${plant}/#`, protocolVersion, payloadBytesMax: 1_000 };
        const first = await open(options);
        await first.until(() => first.undecodable.length === 1);
        await field.publisher.publish(`${plant}/a`, '1');
        await first.records(1);
        await first.stop();
        // For the session that is away: a large one before a good one.
        await field.publisher.publish(`${plant}/b`, Buffer.alloc(300_000));
        await field.publisher.publish(`${plant}/a`, '2');
        await field.publisher.publish(`${plant}/image`, '', { retain: true });
        const second = await open(options);
        await second.records(1);
        expect(second.values).toMatchObject([{ payload: 2 }]);
        expect(second.undecodable.map(({ error }) => (error as Error).message)).toContain(
          `the message to "${plant}/b" has 300000 bytes; payloadBytesMax allows 1000`,
        );
        await second.stop();
      });

      versioned('serves two sources over one connection', async () => {
        const plant = fresh();
        const connection = mqttConnection({ ...throughProxy(), protocolVersion });
        const before = field.proxy.connections;
        const runs = ['a', 'b'].map((id) =>
          startRun(mqttSource({ id, connection, topics: `${plant}/${id}` }), realClock),
        );
        await Promise.all(runs.map((run) => run.whenOpened()));
        expect(field.proxy.connections - before).toBe(1);
        await field.publisher.publishNumbers(`${plant}/a`, 50);
        await field.publisher.publishNumbers(`${plant}/b`, 50, { from: 51 });
        await Promise.all(runs.map((run) => run.records(50)));
        await Promise.all(runs.map((run) => run.stop()));
        expect(runs.map((run) => run.values)).toEqual([numbers(50), numbers(50, 51)]);
      });

      versioned('names the topic a broker refuses, or the link it closes for it', async () => {
        const plant = fresh();
        // More levels than a broker takes: Mosquitto and Aedes allow 200 and 100.
        const run = startRun(sourceOf({ topics: `${plant}${'/x'.repeat(300)}`, protocolVersion }), realClock);
        const error = await run.over;
        expect(error?.code).toMatch(/HG_LINK_(REFUSED|LOST)/);
        expect(error?.remedy).toBe('retry');
      });
    });

    withFeature('mqtt5')(
      'carries MQTT 5 properties in the envelope, and the content type to the decoder',
      async () => {
        const plant = fresh();
        const device = await startPublisher(field.broker.url, { protocolVersion: 5 });
        const contentTypes: unknown[] = [];
        const decode = (payload: Uint8Array, contentType: string | undefined) => {
          contentTypes.push(contentType);
          return [payload.length];
        };
        const run = await open({ protocolVersion: 5, envelope: true, decode });
        const userProperties = { site: 'north', ['__proto__']: 'harmless' };
        await device.publish(`${plant}/a`, 'xyz', {
          properties: {
            contentType: 'text/x',
            userProperties,
            correlationData: Buffer.from([1, 2]),
            responseTopic: 'r',
          },
        });
        await run.records(1);
        const { payload, properties } = run.values[0] as MqttEnvelope;
        expect(payload).toBe(3);
        expect(properties).toMatchObject({
          contentType: 'text/x',
          correlationData: 'AQI=',
          responseTopic: 'r',
        });
        expect(properties?.userProperties?.['site']).toBe('north');
        expect(Object.getPrototypeOf(properties?.userProperties)).toBe(Object.prototype);
        expect(contentTypes).toEqual(['text/x']);
        expect(run.metas).toMatchObject([{ contentType: 'text/x' }]);
        await run.stop();
        await device.close();
      },
    );

    describe.each([4, 5] as const)(
      'with shared subscriptions over protocol version %i',
      (protocolVersion) => {
        withFeature('shared')('splits the messages among the sources of a group', async () => {
          const plant = fresh();
          const runs = [
            await open({ id: 'a', sharedGroup: 'g', protocolVersion }),
            await open({ id: 'b', sharedGroup: 'g', protocolVersion }),
          ];
          await field.publisher.publishNumbers(`${plant}/a`, 200);
          const all = () => runs.flatMap((run) => run.values);
          while (all().length < 200) {
            await Promise.race(runs.map((run) => run.records(run.values.length + 1)));
          }
          expect(sorted(all())).toEqual(numbers(200));
          for (const run of runs) expect(run.values.length).toBeGreaterThan(20);
          await Promise.all(runs.map((run) => run.stop()));
        });
      },
    );

    describe('with credentials', () => {
      let guarded: TestBroker;
      beforeAll(async () => {
        guarded = await start({ credentials: { username: 'gateway', password: 'pass-w0rd@/ü' } });
      });
      afterAll(() => guarded.dispose());

      test('lets in who knows them, by options or in the url', async () => {
        const login = { username: 'gateway', password: 'pass-w0rd@/ü' };
        const byOptions = await open({ url: guarded.url, ...login });
        await byOptions.stop();
        const url = guarded.url.replace('://', `://gateway:${encodeURIComponent(login.password)}@`);
        const byUrl = await open({ url });
        await byUrl.stop();
      });

      test.each([{ username: 'gateway', password: 'wr0ng' }, {}])(
        'turns away who does not: %o',
        async (login) => {
          const run = startRun(sourceOf({ url: guarded.url, ...login }), realClock);
          const error = await run.over;
          expect(error).toMatchObject({ code: 'HG_LINK_UNAUTHORISED', remedy: 'retry' });
          expect(JSON.stringify([error?.message, error?.details])).not.toContain('wr0ng');
        },
      );
    });

    describe('with TLS', () => {
      let certificates: TestCertificates;
      let secure: TestBroker;
      let strict: TestBroker;
      beforeAll(async () => {
        certificates = makeCertificates();
        secure = await start({ certificates });
        strict = await start({ certificates, clientCertificates: true });
      });
      afterAll(async () => {
        await secure.dispose();
        await strict.dispose();
        certificates.remove();
      });

      test('trusts the authority it is given', async () => {
        const plant = fresh();
        const run = await open({ url: secure.url, tls: { ca: certificates.ca } });
        const device = await startPublisher(secure.url, { ca: certificates.ca });
        await device.publish(`${plant}/a`, '1');
        await run.records(1);
        await run.stop();
        await device.close();
      });

      test('refuses a broker it has no reason to trust, unless told not to look', async () => {
        const run = startRun(sourceOf({ url: secure.url }), realClock);
        const error = await run.over;
        expect(error).toMatchObject({ code: 'HG_LINK_REFUSED', remedy: 'retry' });
        expect(error?.message).toContain('tls.ca');
        const trusting = await open({ url: secure.url, tls: { rejectUnauthorized: false } });
        await trusting.stop();
      });

      test('shows its own certificate where the broker wants one', async () => {
        const { ca, client } = certificates;
        const run = await open({ url: strict.url, tls: { ca, ...client } });
        await run.stop();
        const without = startRun(sourceOf({ url: strict.url, tls: { ca } }), realClock);
        expect((await without.over)?.code).toMatch(/HG_LINK_(REFUSED|LOST)/);
      });

      test('does not wait for ever where only one side speaks TLS', async () => {
        const plainToTls = startRun(sourceOf({ url: secure.url.replace('mqtts', 'mqtt') }), realClock);
        expect(await plainToTls.over).toMatchObject({ code: 'HG_LINK_REFUSED' });
        const tlsToPlain = startRun(sourceOf({ url: field.broker.url.replace('mqtt', 'mqtts') }), realClock);
        expect(await tlsToPlain.over).toMatchObject({ code: 'HG_LINK_REFUSED' });
      });
    });
  });
});
