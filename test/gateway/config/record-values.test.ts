/** Expressions read whatever a source hands in, instances of classes included. */

import { expect, test } from 'vitest';
import { envelopeOf } from '../../../actors/sources/mqtt/mqtt-source.ts';
import { compileExpression } from '../../../src/gateway/config/expression.ts';
import { ARRIVING_RECORD, SINK_RECORD, STAGE_RECORD } from '../../../src/gateway/config/fields.ts';
import { arrivingView, outboundView, stageView } from '../../../src/gateway/config/record-view.ts';
import type { IngestRecord } from '../../../src/domain/record.ts';
import type { OutboundRecord } from '../../../src/domain/sink.ts';

const ENVELOPE = envelopeOf({ topic: 'hall/2', qos: 1, retain: false }, { celsius: 21 });
const RECORD = { sourceId: 'hall', tenant: 'default', atMs: 0, seq: 1, incarnation: 1, data: ENVELOPE };
const TEXT = 'record.data.payload.celsius > 20 && record.data.topic == "hall/2" && has(record.data.qos)';

test('a stage, a dedup key and a sink read the envelope of an MQTT message', () => {
  const views = [
    [STAGE_RECORD, stageView(RECORD as unknown as IngestRecord)],
    [ARRIVING_RECORD, arrivingView('hall', ENVELOPE, {})],
    [SINK_RECORD, outboundView({ ...RECORD, sourceSeq: 1 } as unknown as OutboundRecord)],
  ] as const;
  for (const [variables, record] of views) {
    expect(compileExpression(TEXT, variables).evaluate({ record })).toBe(true);
    expect(compileExpression('record.data', variables).evaluate({ record })).toEqual({ ...ENVELOPE });
  }
});
