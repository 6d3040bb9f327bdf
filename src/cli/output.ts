/** The two ends of the command: data goes to stdout, everything else to stderr. Writing waits for the reader,
 *  and a reader that has gone (`| head`) ends the work, not the process with an error. */

import { styleText } from 'node:util';

export type Style = Parameters<typeof styleText>[0];

export interface Output {
  /** Columns of the terminal; null where stdout is none. */
  readonly columns: number | null;
  /** False once nobody reads any more. */
  readonly open: boolean;
  /** Calls back once, as soon as nobody reads any more. */
  onClosed(callback: () => void): void;
  /** Resolves when the text is handed on, or nobody reads. */
  write(text: string): Promise<void>;
  /** One line for the person, on stderr. */
  note(text: string): void;
  /** Colour, on a terminal only; honours NO_COLOR. */
  style(style: Style, text: string): string;
}

export function standardOutput(stdout: NodeJS.WriteStream = process.stdout): Output {
  let open = true;
  const watchers: (() => void)[] = [];
  const close = (error: NodeJS.ErrnoException) => {
    open = false;
    if (error.code !== 'EPIPE') throw error;
    for (const watcher of watchers.splice(0)) watcher();
  };
  stdout.on('error', close);
  process.stderr.on('error', () => undefined);
  return {
    get columns() {
      return stdout.isTTY ? stdout.columns : null;
    },
    get open() {
      return open;
    },
    onClosed: (callback) => {
      watchers.push(callback);
    },
    write: (text) =>
      open ? new Promise((resolve) => stdout.write(text, () => resolve())) : Promise.resolve(),
    note: (text) => {
      process.stderr.write(`${text}\n`);
    },
    style: (style, text) => styleText(style, text, { stream: stdout }),
  };
}
