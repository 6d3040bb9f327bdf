/** The few methods the engine needs of a logger; pino's loggers have them. */

export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  /** Odd, nothing lost. */
  warn(fields: object, message: string): void;
  /** Data lost, or act now. */
  error(fields: object, message: string): void;
}

export const SILENT_LOGGER: Logger = { debug() {}, info() {}, warn() {}, error() {} };
