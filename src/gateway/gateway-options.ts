/** What a gateway is made of. */

import type { Clock } from '../domain/clock.ts';
import type { ConfigFormat } from './gateway-control.ts';
import type { GatewayLog } from './gateway-log.ts';
import type { LogLevel } from './log-levels.ts';

export interface GatewayOptions {
  /** The configuration: a file, which is watched, … */
  readonly file?: string;
  /** … or its text. */
  readonly text?: string;
  /** Of the text. Default: YAML. */
  readonly format?: ConfigFormat;
  /** For references in the configuration and for the service manager. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly log: GatewayLog;
  /** Default: real time. With another clock the engine writes its database in this thread. */
  readonly clock?: Clock;
  /** Whether a change of the file is a reload. Default: true. */
  readonly watch?: boolean;
  /** Wins over `logging.level`, also after a reload. */
  readonly logLevel?: LogLevel;
}
