/** The command `demo`: runs the programs in demos/, shows them while they run and prints what they report.
 *  The demos are loaded by a path made at run time: nothing in src/ depends on them. */

import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { nearestNames } from '../domain/nearest-names.ts';
import type { Logger } from '../domain/logger.ts';
import { drawReport, seconds } from './demo-drawing.ts';
import type { DemoModule, DemoReport, DemoSetup, Mood } from './demo-report.ts';
import { demoScene } from './demo-frame.ts';
import { createLiveView, type LiveView } from './live.ts';
import { standardOutput, type Output } from './output.ts';
import { printable } from './printable.ts';

export interface DemoOptions {
  readonly virtual?: boolean;
  readonly seed?: number;
  readonly db?: string;
  readonly json?: boolean;
}

const DEMOS = ['health', 'backpressure', 'registry', 'burst'] as const;
type DemoName = (typeof DEMOS)[number];

const DEFAULT_SEED = 1;

/** Runs the demo `name`, or each in turn for `all` and where none is named. Resolves when it has ended
 *  cleanly, early ends by SIGINT or SIGTERM included.
 *  @throws CommanderError for an unknown name, HeadgateError for what an engine refuses. */
export async function runDemoCommand(name: string | undefined, options: DemoOptions): Promise<void> {
  const names = demosNamed(name ?? 'all');
  const stdout = standardOutput();
  const screenStream = options.json === true ? process.stderr : process.stdout;
  const screen = options.json === true ? standardOutput(process.stderr) : stdout;
  const db = options.db ?? join(mkdtempSync(join(tmpdir(), 'headgate-demo-')), `${name ?? 'all'}.db`);
  const view = createLiveView(screenStream);
  try {
    const reports = await untilTold(stdout, (signal) =>
      runEach(names, { ...options, db, signal }, view, screen),
    );
    view.say(`\n  database    ${db}`);
    if (options.json !== true) view.say(`  ask it      headgate timeline ${db}`);
    const document = name === undefined || name === 'all' ? { demos: reports } : reports[0];
    view.close();
    if (options.json === true) await stdout.write(`${JSON.stringify(document, null, 2)}\n`);
  } finally {
    view.close();
  }
}

interface RunOptions extends DemoOptions {
  readonly db: string;
  readonly signal: AbortSignal;
}

/** One after the other; what has not begun when the signal aborts does not begin. */
async function runEach(
  names: readonly DemoName[],
  options: RunOptions,
  view: LiveView,
  screen: Output,
): Promise<DemoReport[]> {
  const reports: DemoReport[] = [];
  for (const name of names) {
    if (options.signal.aborted && reports.length > 0) break;
    const demo = await loadDemo(name);
    const time = options.virtual === true ? 'virtual time' : 'real time';
    view.say(`\n${screen.style('bold', name)}  ${screen.style('dim', time)}\n${demo.title}\n`);
    const report = await demo.run(setupFor(options, view, screen));
    view.watch(null);
    reports.push(report);
    for (const line of drawReport(report, screen)) view.say(line);
  }
  return reports;
}

function setupFor(options: RunOptions, view: LiveView, screen: Output): DemoSetup {
  const virtual = options.virtual === true;
  return {
    virtual,
    seed: options.seed ?? DEFAULT_SEED,
    db: options.db,
    signal: options.signal,
    logger: loggerTo(view, screen),
    tell: (atMs, mood, text) => {
      const time = screen.style('dim', seconds(atMs, 3).padStart(10));
      view.say(`${time}  ${styled(mood, text, screen)}`);
    },
    // Virtual time is over before anybody could look.
    watch: (look) => view.watch(virtual ? null : () => demoScene(look(), screen)),
  };
}

/** The engine's warnings and errors, as lines among the others: written to stderr they would tear the live
 *  view. */
function loggerTo(view: LiveView, screen: Output): Logger {
  const nothing = () => {};
  return {
    debug: nothing,
    info: nothing,
    warn: (_fields, message) => view.say(`            ${screen.style('yellow', printable(message))}`),
    error: (_fields, message) => view.say(`            ${screen.style('red', printable(message))}`),
  };
}

const MOOD_STYLES = { good: 'green', bad: 'red', alert: 'yellow' } as const;

function styled(mood: Mood, text: string, screen: Output): string {
  return mood === 'plain' ? text : screen.style(MOOD_STYLES[mood], text);
}

/** The demo's file lies where this one's tree does: .ts among sources, .js in a build. */
async function loadDemo(name: DemoName): Promise<DemoModule> {
  const path = new URL(`../../demos/${name}${extname(import.meta.url)}`, import.meta.url);
  return (await import(path.href)) as DemoModule;
}

function demosNamed(name: string): readonly DemoName[] {
  if (name === 'all') return DEMOS;
  const known = DEMOS.find((demo) => demo === name);
  if (known !== undefined) return [known];
  const names = [...DEMOS, 'all'];
  const [near] = nearestNames(name, names);
  const advice = near === undefined ? `there are ${names.join(', ')}` : `did you mean "${near}"?`;
  const message = `error: unknown demo "${name}"; ${advice}`;
  process.stderr.write(`${message}\n`);
  throw new InvalidArgumentError(message);
}

/** Hands `work` a signal that SIGINT, SIGTERM or the loss of the reader aborts; a second SIGINT ends the
 *  process. */
async function untilTold<Result>(
  output: Output,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const controller = new AbortController();
  const stop = () => {
    if (controller.signal.aborted) process.exit(130);
    controller.abort();
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  output.onClosed(() => controller.abort());
  try {
    return await work(controller.signal);
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
}
