/** What ingest is made of, handed in by the server. */

import type { PushSource } from '../../../actors/sources/push-source.ts';
import type { Clock } from '../../domain/clock.ts';
import type { Logger } from '../../domain/logger.ts';
import type { Redact } from '../../domain/redact.ts';
import type { HttpLimits } from '../http-deps.ts';

export interface IngestDeps {
  /** The push source of this address (`line3`, `acme/line3`), as it runs now. */
  readonly pushSources: (address: string) => PushSource | undefined;
  readonly limits: Pick<HttpLimits, 'ingestBytesMax' | 'depthMax' | 'socketsMax' | 'messagesPerSecondMax'>;
  /** Bytes of one record as it comes. Default: what the log takes. */
  readonly recordBytesMax?: number;
  /** Is called where there is no place for another upload. */
  readonly onCrowded?: () => void;
  /** Takes secrets out of what answers repeat of errors. Default: there are none. */
  readonly redact?: Redact;
  readonly clock: Clock;
  readonly log: Logger;
}
