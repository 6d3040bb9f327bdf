/** Publishes records to an MQTT broker, each to a topic made of it.
 *
 *  With QoS 1 a delivery resolves when the broker has acknowledged all of it. The session is a clean one:
 *  what was not acknowledged when a link was lost is published again over the next, so that a subscriber may
 *  see it twice, under the same key. */

import type { IClientPublishOptions } from 'mqtt';
import { z } from 'zod';
import { resolveOptions } from '../../../src/config/resolve-options.ts';
import { sinkSchema } from '../../../src/config/sink-options.ts';
import { HeadgateError } from '../../../src/domain/errors.ts';
import type {
  DeliveryProgress,
  OutboundRecord,
  Rejection,
  SinkIo,
  SinkLink,
  SinkSpec,
} from '../../../src/domain/sink.ts';
import { shownUrl } from '../../protocols/mqtt/errors.ts';
import { watchGrants, type GrantWatch } from '../../protocols/mqtt/grant-watch.ts';
import {
  checkConnection,
  connectionShape,
  resolveConnection,
  type ResolvedConnection,
} from '../../protocols/mqtt/options.ts';
import { topicProblem } from '../../protocols/mqtt/topics.ts';
import { addressOf, templateSchema, type AddressRules } from '../address-template.ts';
import { sinkSpec } from '../define-sink.ts';
import { isTooLarge, openPublisher, type Publication } from './publisher.ts';
import { checkPayload, payloadOf, payloadShape } from '../message-payload.ts';
import { makeEach, refusal, unsendable } from '../outbound-text.ts';
import { sendInWindow } from '../send-window.ts';

/** User property of MQTT 5 that bears a record's key. */
export const KEY_PROPERTY = 'headgate-key';

const TOPIC: AddressRules = {
  noun: 'topic',
  valueProblem: (value) => (/[+#\0]/.test(value) ? 'contains "+", "#" or NUL' : null),
  addressProblem: (topic) =>
    topicProblem(topic) ?? (topic.startsWith('$') ? 'topics with "$" belong to the broker' : null),
};

const { url, protocolVersion, clientId, username, password, tls, will, keepaliveSeconds } = connectionShape;

export const mqttSinkSchema = sinkSchema({
  ...{ url, protocolVersion, clientId, username, password, tls, will, keepaliveSeconds },
  topic: templateSchema(TOPIC).describe(
    'The topic of each record, such as `plant/{sourceId}/{data.sensor}`.',
  ),
  qos: z.literal([0, 1], { error: 'must be 0 or 1' }).default(1).describe('0 or 1. 0 may lose records.'),
  retain: z.boolean().default(false).describe('Whether the broker keeps the last record of each topic.'),
  ...payloadShape,
  windowMax: z
    .number()
    .int()
    .min(1)
    .max(65_535)
    .default(256)
    .describe('Messages that may wait for their acknowledgement at a time.'),
}).superRefine((options, context) => {
  checkConnection(options, context);
  checkPayload(options, context);
});

export type MqttSinkOptions = z.input<typeof mqttSinkSchema>;
type Options = z.output<typeof mqttSinkSchema>;

/** @example mqttSink({ id: 'plant', url: 'mqtt://127.0.0.1:1883', topic: 'plant/{sourceId}' })
 *  @throws HeadgateError HG_OPTION_UNKNOWN, HG_OPTION_INVALID. */
export function mqttSink(input: MqttSinkOptions): SinkSpec {
  const options = resolveOptions(mqttSinkSchema, input, 'mqttSink');
  const connection = resolveConnection(options);
  let speaker: SinkIo | undefined;
  // A finding about a broker is reported once, not at each link.
  const grants = watchGrants(connection, () => speaker);
  return sinkSpec('mqtt', options, {
    target: shownUrl(connection.url),
    open(io) {
      speaker = io;
      return openLink(io, options, connection, grants);
    },
  });
}

async function openLink(
  io: SinkIo,
  options: Options,
  connection: ResolvedConnection,
  grants: GrantWatch,
): Promise<SinkLink> {
  let isBusy = false;
  const publisher = await openPublisher(io, connection, (error, stoodMs) =>
    // A broker that closes the link over what it was sent is no sign of a second client of that name.
    isBusy && error.details['closedByPeer'] === true ? error : grants.closed(error, stoodMs),
  );
  const { granted, life } = publisher;
  const noRetain = options.retain && !granted.canRetain ? ['retain: the broker retains nothing'] : [];
  grants.connected([...publisher.differences, ...noRetain]);
  if (granted.qosMax < options.qos) {
    await publisher.close();
    throw new HeadgateError('HG_LINK_REFUSED', `the broker takes messages of QoS 0 only; set qos: 0`);
  }
  const windowMax = Math.min(options.windowMax, granted.receiveMaximum);
  // A broker that retains nothing ends the connection at a message that asks for it (MQTT 5.0, 3.2.2.3.5).
  const publicationOf = publicationMaker({ ...options, retain: options.retain && granted.canRetain });

  const deliver = async (
    batch: readonly OutboundRecord[],
    progress?: DeliveryProgress,
  ): Promise<Rejection[]> => {
    const { made, rejections } = makeEach(batch, publicationOf);
    await sendInWindow(made.length, windowMax, async (at) => {
      const { index, value } = made[at] as { index: number; value: Publication };
      if (isTooLarge(granted, value)) {
        rejections.push(unsendable(index, tooLarge(value.topic, granted.packetBytesMax)));
        return;
      }
      try {
        await publisher.publish(value);
        progress?.taken(index);
      } catch (error) {
        if (!(error instanceof HeadgateError) || error.remedy !== 'drop') throw error;
        rejections.push(refusal(index, error));
      }
    });
    return rejections.sort((a, b) => a.index - b.index);
  };
  return {
    greeted: true,
    async deliver(batch, progress) {
      isBusy = true;
      try {
        return await life.during(deliver(batch, progress));
      } finally {
        isBusy = false;
      }
    },
    close: () => publisher.close(),
  };
}

function publicationMaker(options: Options): (record: OutboundRecord) => Publication {
  const { qos, retain, format, protocolVersion: version = 4 } = options;
  const topicOf = addressOf(options.topic, TOPIC);
  const contentTypes = { json: 'application/json', text: 'text/plain', bytes: 'application/octet-stream' };
  return (record) => {
    const publishing: IClientPublishOptions = { qos, retain };
    if (version === 5) {
      const contentType = (format === 'json' ? undefined : record.contentType) ?? contentTypes[format];
      publishing.properties = { contentType, userProperties: { [KEY_PROPERTY]: record.key } };
    }
    return { topic: topicOf(record), payload: payloadOf(record, options), options: publishing };
  };
}

function tooLarge(topic: string, bytesMax: number): HeadgateError {
  return new HeadgateError(
    'HG_SINK_REFUSED',
    `a message to "${topic}" is larger than the ${bytesMax} bytes the broker takes`,
  );
}
