/** Shows a run while it goes on. On a terminal a block of lines is redrawn in place, several times a second,
 *  and what is said meanwhile scrolls by above it. Elsewhere it is plain lines: what is said, and one line of
 *  progress now and then. */

/** What is to be seen of a run at one moment. */
export interface LiveScene {
  /** On a terminal: the block. */
  lines(): string[];
  /** Elsewhere: the line of progress. */
  progress(): string;
}

export interface LiveView {
  /** Says one line. */
  say(text: string): void;
  /** Looks at this from now on; null: at nothing. */
  watch(look: (() => LiveScene) | null): void;
  /** Takes the block away and gives the terminal back. */
  close(): void;
}

const REDRAW_MS = 100;
const PROGRESS_LINE_MS = 1_000;
/** Of a terminal that does not tell. */
const TERMINAL_ROWS = 24;

const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';

export function createLiveView(
  stream: NodeJS.WriteStream,
  { progressLineMs = PROGRESS_LINE_MS } = {},
): LiveView {
  return stream.isTTY ? terminalView(stream) : lineView(stream, progressLineMs);
}

function terminalView(stream: NodeJS.WriteStream): LiveView {
  let look: (() => LiveScene) | null = null;
  let linesDrawn = 0;
  const erase = () => {
    if (linesDrawn > 0) stream.write(`\u001b[${linesDrawn}A\r\u001b[J`);
    linesDrawn = 0;
  };
  const draw = () => {
    // One line less than the screen has: what has scrolled away can no longer be erased.
    const lines =
      look === null
        ? []
        : look()
            .lines()
            .slice(0, (stream.rows ?? TERMINAL_ROWS) - 1);
    if (lines.length > 0) stream.write(`${lines.join('\n')}\n`);
    linesDrawn = lines.length;
  };
  const showCursor = () => {
    stream.write(SHOW_CURSOR);
  };
  const timer = setInterval(() => {
    if (look === null && linesDrawn === 0) return;
    erase();
    draw();
  }, REDRAW_MS);
  stream.write(HIDE_CURSOR);
  // However the process ends, the person gets the cursor back.
  process.once('exit', showCursor);

  return {
    say(text) {
      erase();
      stream.write(`${text}\n`);
      draw();
    },
    watch(next) {
      look = next;
    },
    close() {
      clearInterval(timer);
      look = null;
      erase();
      showCursor();
      process.off('exit', showCursor);
    },
  };
}

function lineView(stream: NodeJS.WriteStream, progressLineMs: number): LiveView {
  let look: (() => LiveScene) | null = null;
  const timer = setInterval(() => {
    if (look !== null) stream.write(`${look().progress()}\n`);
  }, progressLineMs);
  return {
    say(text) {
      stream.write(`${text}\n`);
    },
    watch(next) {
      look = next;
    },
    close() {
      clearInterval(timer);
    },
  };
}
