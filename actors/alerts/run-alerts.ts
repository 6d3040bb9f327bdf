/** The alerts that the code of a source or sink raises: under its name, and at a bounded rate. Those beyond
 *  the bound are counted in the next alert. */

import type { OperatorAlert } from '../../src/domain/alert.ts';
import type { Clock } from '../../src/domain/clock.ts';
import { messageOf } from '../../src/domain/errors.ts';
import { LIMITS } from '../../src/domain/limits.ts';
import type { SourceIo } from '../../src/domain/source.ts';

interface Ports<Runtime> {
  readonly clock: Clock;
  readonly raise: (alert: OperatorAlert, runtime: Runtime) => void;
}

const MINUTE_MS = 60_000;

/** Makes the `alert` of one run, of a source or a sink; `sourceId` is null for a sink. Silent once `signal`
 *  has aborted. */
export function runAlerts<Runtime extends { readonly name: string }>(
  { clock, raise }: Ports<Runtime>,
  runtime: Runtime,
  signal: AbortSignal,
  sourceId: string | null = runtime.name,
): SourceIo['alert'] {
  let sinceMonoMs = Number.NEGATIVE_INFINITY;
  let raised = 0;
  let suppressed = 0;
  return (event, message, details = {}) => {
    if (signal.aborted) return;
    const nowMonoMs = clock.monotonicMs();
    if (nowMonoMs - sinceMonoMs >= MINUTE_MS) {
      sinceMonoMs = nowMonoMs;
      raised = 0;
    }
    if (raised >= LIMITS.alertsPerMinuteMax) {
      suppressed++;
      return;
    }
    raised++;
    const counted = { ...storable(details), ...(suppressed === 0 ? {} : { suppressed }) };
    suppressed = 0;
    raise(
      {
        event: String(event),
        severity: 'warning',
        sourceId,
        timestamp: clock.wallMs(),
        message: String(message).slice(0, LIMITS.errorMessageCharsMax),
        details: counted,
      },
      runtime,
    );
  };
}

/** A copy as the row will have it. What cannot be written must not stand in the way of what can. */
function storable(details: object): object {
  try {
    const text = JSON.stringify(details);
    if (text.length <= LIMITS.recordBytesMax) return JSON.parse(text) as object;
    return { unreadable: `${text.length} characters` };
  } catch (error) {
    return { unreadable: messageOf(error) };
  }
}
