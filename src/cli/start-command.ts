/** The command `start`: a gateway with nothing configured, on a field it brings along: that of
 *  demos/gateway-field.ts. It is loaded by a path made at run time: nothing in src/ depends on demos/. */

import { copyFileSync, existsSync, mkdirSync, statSync } from 'node:fs';
import { extname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HeadgateError, type ErrorCode } from '../domain/errors.ts';
import type { EngineReport } from '../engine/engine-report.ts';
import type { Gateway } from '../gateway/gateway.ts';
import { createGatewayLog, type GatewayLog } from '../gateway/gateway-log.ts';
import { runProcess } from '../gateway/run-process.ts';
import { realClock } from '../platform/real-clock.ts';
import { ALERTS_SHOWN, alertText, gatewayLiveView } from './gateway-live-view.ts';
import { createLiveView, type LiveView } from './live.ts';
import type { Output, Style } from './output.ts';
import { printable } from './printable.ts';
import { gatewayOf } from './run-command.ts';

export interface StartOptions {
  /** Where the configuration, the database and the archive lie. */
  readonly folder: string;
  readonly port?: number;
  /** Ends by itself after so many seconds. */
  readonly duration?: number;
}

/** What demos/gateway-field.ts gives. */
interface Field extends AsyncDisposable {
  readonly brokerUrl: string;
  readonly sensorUrls: Readonly<Record<'boiler' | 'meter', string>>;
  begin(): void;
}

type FieldModule = { readonly startGatewayField: (seed: number) => Promise<Field> };

/** How the command is called where this one was called, and this one itself. */
const [HEADGATE, START] =
  process.env['npm_lifecycle_event'] === 'start'
    ? ['npm run -s headgate --', 'npm start --']
    : ['npx headgate', 'npx headgate start'];

/** Where to start it while another program has its place, as a second `headgate start` finds it. */
const OTHER_PLACE: Partial<Record<ErrorCode, string>> = {
  HG_STORAGE_LOCKED: '--folder FOLDER --port 0',
  HG_HTTP_LISTEN: '--port 0',
};

const SEED = 1;
/** Elsewhere than on a terminal a line of progress comes so often. */
const PROGRESS_LINE_MS = 5_000;

/** Resolves when the gateway has come to the end that was asked for.
 *  @throws HeadgateError what the gateway refuses at its start; HG_ENGINE_ESCALATED, HG_ROWS_LOST. */
export async function startCommand(options: StartOptions, output: Output): Promise<void> {
  const folder = resolve(options.folder);
  const file = configurationIn(folder);
  await using field = await startField();
  const view = createLiveView(process.stdout, { progressLineMs: PROGRESS_LINE_MS });
  try {
    const log = logTo(view, output);
    const gateway = gatewayOf({ file, env: environmentOf(field, options), log }, output);
    const startedMs = realClock.monotonicMs();
    let hasStarted = false;
    const ended = runProcess(gateway, {
      clock: realClock,
      log,
      durationMs: options.duration === undefined ? null : options.duration * 1_000,
      onStarted: () => {
        hasStarted = true;
        field.begin();
        for (const line of welcome(gateway, { field, folder, file }, output)) view.say(line);
        show(gateway, view, output, startedMs);
      },
    });
    await ended.catch(() => {});
    view.close();
    if (hasStarted) {
      for (const line of farewell(gateway.engine.report(), folder, output)) await output.write(`${line}\n`);
    }
    await ended;
  } catch (error) {
    const place = error instanceof HeadgateError ? OTHER_PLACE[error.code] : undefined;
    if (place !== undefined) output.note(`it can be started elsewhere: ${START} ${place}`);
    throw error;
  } finally {
    view.close();
  }
}

/** The configuration's file: the user's, once there is one. */
function configurationIn(folder: string): string {
  const file = join(folder, 'headgate.yaml');
  if (existsSync(file)) return file;
  mkdirSync(folder, { recursive: true });
  copyFileSync(fileURLToPath(new URL('../../demos/data/gateway.yaml', import.meta.url)), file);
  return file;
}

/** The field lies where this file's tree does: .ts among sources, .js in a build. */
async function startField(): Promise<Field> {
  const path = new URL(`../../demos/gateway-field${extname(import.meta.url)}`, import.meta.url);
  const { startGatewayField } = (await import(path.href)) as FieldModule;
  return startGatewayField(SEED);
}

function environmentOf(field: Field, { port }: StartOptions): Record<string, string | undefined> {
  return {
    ...process.env,
    ...(port === undefined ? {} : { HEADGATE_PORT: String(port) }),
    FIELD_BROKER_URL: field.brokerUrl,
    FIELD_BOILER_URL: field.sensorUrls.boiler,
    FIELD_METER_URL: field.sensorUrls.meter,
  };
}

const LEVEL_STYLES: Readonly<Record<string, Style>> = { info: 'dim', warn: 'yellow' };

/** The log as lines among the others: written to stderr they would tear the live view. */
function logTo(view: LiveView, output: Output): GatewayLog {
  return createGatewayLog({
    level: 'info',
    pretty: false,
    write: (line) => {
      const { level, msg } = JSON.parse(line) as { level: string; msg: string };
      view.say(`  ${output.style(LEVEL_STYLES[level] ?? 'red', printable(msg))}`);
    },
  });
}

function show(gateway: Gateway, view: LiveView, output: Output, startedMs: number): void {
  let alerts: { atMs: number; text: string }[] = [];
  gateway.engine.alerts$.subscribe((alert) => {
    const one = { atMs: alert.timestamp, text: alertText(alert) };
    alerts = [...alerts, one].slice(-ALERTS_SHOWN);
  });
  view.watch(() =>
    gatewayLiveView(
      {
        elapsedMs: realClock.monotonicMs() - startedMs,
        stats: gateway.engine.stats(),
        readiness: gateway.readiness(),
        alerts,
        places: [['api', `${gateway.url}`]],
      },
      output,
    ),
  );
}

interface Places {
  readonly field: Field;
  readonly folder: string;
  readonly file: string;
}

function welcome(gateway: Gateway, { field, folder, file }: Places, output: Output): string[] {
  const api = gateway.url ?? '';
  const db = shown(join(folder, 'edge.db'));
  const place = (name: string, where: string) => `  ${output.style('bold', name.padEnd(15))}${where}`;
  const places = (name: string, where: readonly string[]) =>
    where.map((one, index) => place(index === 0 ? name : '', one));
  const advice = (command: string, what: string) => `  ${command}\n      ${output.style('dim', what)}`;
  return [
    '',
    place('configuration', shown(file)),
    place('database', db),
    place('archive', shown(join(folder, 'archive.ndjson'))),
    place('broker', `${field.brokerUrl}  (three stations publish to weather/…)`),
    // One address a line: a terminal breaks a longer line inside of one.
    ...places('HTTP sensors', Object.values(field.sensorUrls)),
    ...places('API', [`${api}/api/sources`, `${api}/openapi.json`, `${api}/readyz`, `${api}/metrics`]),
    '',
    `  ${output.style('bold', 'Try, in another terminal:')}`,
    advice(
      `curl -d '{"door":"open"}' -H 'content-type: application/json' ${api}/api/ingest/inbox`,
      'a record of your own; the answer comes when it is stored',
    ),
    advice(`curl -N ${api}/api/events`, 'what happens, as it happens'),
    advice(`curl -X POST ${api}/api/sources/harbour/pause`, 'a source is paused; resume lets it go on'),
    advice(`${HEADGATE} explain ${db} boiler`, 'why it is in the state it is in'),
    advice(
      `${HEADGATE} query ${db} 'SELECT source_id, count(*) FROM records GROUP BY 1'`,
      'any question, in SQL',
    ),
    advice(`$EDITOR ${shown(file)}`, 'change it and save: what differs is carried out at once'),
    '',
    `  Ctrl-C drains and ends.`,
  ];
}

function farewell(report: EngineReport, folder: string, output: Output): string[] {
  const { sources, balance } = report;
  const db = join(folder, 'edge.db');
  const size = statSync(db, { throwIfNoEntry: false })?.size ?? 0;
  return [
    '',
    output.style('bold', 'The gateway has drained and ended.'),
    ...sources.map((source) => `  ${source.sourceId.padEnd(12)}${source.recordsProduced} records`),
    `  ${Object.entries(balance)
      .filter(([name, records]) => records > 0 || ['received', 'stored', 'lost'].includes(name))
      .map(([name, records]) => `${name === 'deadLettered' ? 'dead letters' : name} ${records}`)
      .join(', ')}`,
    `  ${shown(db)}: ${(size / 1_000_000).toFixed(1)} MB; ${HEADGATE} timeline ${shown(db)}`,
  ];
}

/** A path as one would type it. */
function shown(path: string): string {
  const near = relative(process.cwd(), path);
  return near.startsWith('..') ? path : near;
}
