/** The log of the process: pino's lines on stderr, written at once, so that none is lost however the process
 *  ends. What no line may hold is taken out here, whoever wrote it: the values of secrets, and characters
 *  that would act on a terminal or begin a line of their own. */

import pino from 'pino';
import type { Logger } from '../domain/logger.ts';
import { printableJson } from '../domain/printable-text.ts';
import { readableLine } from './log-format.ts';
import type { LogLevel } from './log-levels.ts';

export interface GatewayLog extends Logger {
  fatal(fields: object, message: string): void;
  setLevel(level: LogLevel): void;
  /** From now on these values are shown as `***`, wherever they stand in a line. Values of fewer than
   *  {@link SECRET_CHARS_MIN} characters are not: they would mask half of the log. */
  hide(secrets: Iterable<string>): void;
  /** The text with `***` in the place of what is hidden. */
  mask(text: string): string;
  /** From now on lines are for people, or for machines. */
  setPretty(pretty: boolean): void;
}

export interface GatewayLogOptions {
  readonly level: LogLevel;
  /** Lines for people rather than JSON. */
  readonly pretty: boolean;
  readonly colours?: boolean;
  /** Takes each line with its end. Default: stderr. */
  readonly write?: (text: string) => void;
}

export const SECRET_CHARS_MIN = 4;

/** Fields that bear secrets by their name, at the top of a line or one level below. */
const SECRET_FIELDS = ['password', 'passphrase', 'secret', 'token', 'authorization', 'cookie'];

export function createGatewayLog(options: GatewayLogOptions): GatewayLog {
  const write = options.write ?? standardError();
  const formatOf = (pretty: boolean) =>
    pretty ? (line: string) => readableLine(line, options.colours ?? false) : printableJson;
  let format = formatOf(options.pretty);
  let hidden: readonly string[] = [];
  /** The same as they are outside JSON. */
  let plain: readonly string[] = [];
  const logger = pino(
    {
      level: options.level,
      base: { name: 'headgate' },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_FIELDS.flatMap((field) => [field, `*.${field}`]), censor: '***' },
    },
    { write: (line) => write(`${format(masked(line, hidden).trimEnd())}\n`) },
  );
  return {
    debug: (fields, message) => logger.debug(fields, message),
    info: (fields, message) => logger.info(fields, message),
    warn: (fields, message) => logger.warn(fields, message),
    error: (fields, message) => logger.error(fields, message),
    fatal: (fields, message) => logger.fatal(fields, message),
    setLevel: (level) => {
      logger.level = level;
    },
    hide: (secrets) => {
      const forms = new Set([...hidden, ...[...secrets].flatMap(formsOf)]);
      // The longest first: one may be the beginning of another.
      hidden = [...forms].sort((one, other) => other.length - one.length);
      plain = hidden.map((form) => JSON.parse(`"${form}"`) as string);
    },
    mask: (text) => masked(text, plain),
    setPretty: (pretty) => {
      format = formatOf(pretty);
    },
  };
}

/** A secret as it is, and as URLs have it; both as they stand in JSON. */
function formsOf(secret: string): string[] {
  if (secret.length < SECRET_CHARS_MIN) return [];
  const inUrls = encodeURIComponent(secret.toWellFormed());
  return [secret, inUrls].map((form) => JSON.stringify(form).slice(1, -1));
}

function masked(line: string, hidden: readonly string[]): string {
  let text = line;
  for (const secret of hidden) if (text.includes(secret)) text = text.replaceAll(secret, '***');
  return text;
}

function standardError(): (text: string) => void {
  const destination = pino.destination({ dest: 2, sync: true });
  // Nobody reads the log any more: no reason to stop working.
  destination.on('error', () => undefined);
  return (text) => void destination.write(text);
}
