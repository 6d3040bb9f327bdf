/** The document of the API judged by public tools: two linters, and a proxy that holds every request and every
 *  answer of a session against the document. The tools are large, so that they are fetched when they are used:
 *  `npm run -s contract`. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startGateway, testToken } from '../../security/gateway-process.ts';
import { sessionOf, type Step } from './session.ts';

const PRISM = '@stoplight/prism-cli@5.16.0';
const REDOCLY = '@redocly/cli@2.77.0';
const SPECTRAL = '@stoplight/spectral-cli@6.16.3';
/** Fetching a tool for the first time takes minutes. */
const TOOL_MS_MAX = 600_000;

interface Ended {
  readonly exitCode: number | null;
  readonly output: string;
}

function start(folder: string, tool: string, command: readonly string[]) {
  const program = spawn('npm', ['exec', '--yes', `--package=${tool}`, '--', ...command], {
    ...{ cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] as const, detached: true },
  });
  let output = '';
  for (const stream of [program.stdout, program.stderr]) {
    stream.setEncoding('utf8').on('data', (part: string) => (output += part));
  }
  return { program, output: () => output };
}

async function lint(folder: string, tool: string, command: readonly string[]): Promise<Ended> {
  const { program, output } = start(folder, tool, command);
  const [exitCode] = (await once(program, 'close')) as [number | null];
  return { exitCode, output: output() };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

interface Judged {
  readonly step: Step;
  readonly status: number;
  readonly violations: string;
}

async function ask(url: string, token: string, step: Step): Promise<Judged> {
  const { method, path, headers = {}, body } = step;
  const response = await fetch(url + path, {
    method,
    headers: { ...headers, authorization: `Bearer ${token}` },
    ...(body === undefined ? {} : { body }),
  });
  const text = await response.text();
  const header = response.headers.get('sl-violations') ?? '[]';
  const isProxys = text.includes('stoplight.io/prism/errors');
  return { step, status: response.status, violations: isProxys ? text : header === '[]' ? '' : header };
}

const folder = mkdtempSync(join(tmpdir(), 'headgate-contract-'));
const admin = testToken('admin', ['admin']);
await using gateway = await startGateway({ config: { auth: { tokens: [admin.stored] } } });
try {
  const document = await gateway.ask({ path: '/openapi.json', token: admin.token });
  writeFileSync(join(folder, 'openapi.json'), document.text);
  writeFileSync(join(folder, '.spectral.yaml'), 'extends: ["spectral:oas"]\n');
  let failures = 0;
  for (const [name, tool, command] of [
    ['Redocly', REDOCLY, ['redocly', 'lint', 'openapi.json', '--format=stylish']],
    ['Spectral', SPECTRAL, ['spectral', 'lint', 'openapi.json', '--fail-severity=error']],
  ] as const) {
    const { exitCode, output } = await lint(folder, tool, command);
    const warnings = output.split('\n').filter((line) => /^\s*\d+:\d+\s+(?:warning|error)\b/.test(line));
    process.stdout.write(`${name}: exit ${exitCode}, ${warnings.length} remarks\n`);
    for (const line of warnings) process.stdout.write(`  ${line.trim()}\n`);
    if (exitCode !== 0) {
      failures++;
      process.stdout.write(output);
    }
  }

  const port = await freePort();
  const target = `http://127.0.0.1:${gateway.port}`;
  const { program, output } = start(folder, PRISM, [
    ...['prism', 'proxy', 'openapi.json', target, '--port', String(port), '--host', '127.0.0.1'],
    '--errors=false',
  ]);
  try {
    const untilMs = performance.now() + TOOL_MS_MAX;
    while (!output().includes('listening')) {
      if (program.exitCode !== null || performance.now() > untilMs) throw new Error(output());
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const operations = Object.entries((document.json as { paths: Record<string, object> }).paths).flatMap(
      ([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const left = new Set(operations);
    let violated = 0;
    const steps = sessionOf(join(folder, 'out.ndjson'));
    for (const step of steps) {
      const judged = await ask(`http://127.0.0.1:${port}`, admin.token, step);
      left.delete(step.operation);
      const isOdd = judged.violations !== '' || judged.status !== step.status;
      if (!isOdd) continue;
      violated++;
      process.stdout.write(
        `${step.method} ${step.path}: ${judged.status} for ${step.status} ${judged.violations.slice(0, 600)}\n`,
      );
    }
    process.stdout.write(
      `Prism: ${steps.length} requests to ${operations.length - left.size} of ${operations.length} operations, ` +
        `${violated} with violations\n`,
    );
    // The proxy is one that notices.
    const control = await ask(`http://127.0.0.1:${port}`, admin.token, {
      ...{ method: 'POST', path: '/api/config/validate', operation: '', status: 200 },
      ...{ headers: { 'content-type': 'application/json' }, body: '{"sources":5}' },
    });
    if (control.violations === '') {
      failures++;
      process.stdout.write('the proxy let a body pass that is none of the document\n');
    }
    for (const operation of left) process.stdout.write(`  not asked: ${operation}\n`);
    failures += violated + left.size;
  } finally {
    // npm, its shell and the tool.
    process.kill(-(program.pid as number), 'SIGTERM');
  }
  process.exitCode = failures === 0 ? 0 : 1;
} finally {
  await gateway.stop();
  rmSync(folder, { recursive: true, force: true });
}
