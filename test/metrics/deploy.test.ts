/** What stands in docs/ about the metrics fits them: the page, the dashboard, the alerting rules. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { METRIC_DEFINITIONS } from '../../src/metrics/metrics.ts';
import { PROJECT_ROOT } from '../support/project-files.ts';
import { promtool, promtoolMissing } from '../support/promtool.ts';
import { skipNote } from '../support/skip-note.ts';
import { metricsPage } from './metrics-page.ts';
import { labelsIn, metricsIn } from './promql-names.ts';

const DEPLOY = join(PROJECT_ROOT, 'docs/deploy');
const read = (name: string) => readFileSync(join(DEPLOY, name), 'utf8');

interface Panel {
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly targets?: readonly { readonly expr: string; readonly legendFormat?: string }[];
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
}

const dashboard = JSON.parse(read('grafana-dashboard.json')) as {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly query?: unknown }[] };
};
const expressions = dashboard.panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr }) => [title, expr] as const),
);

/** Every name a query may use, with its labels. */
const known = new Map(
  METRIC_DEFINITIONS.flatMap(({ name, type, labels }) =>
    type === 'histogram'
      ? [
          [`${name}_bucket`, [...labels, 'le']] as const,
          [`${name}_sum`, labels] as const,
          [`${name}_count`, labels] as const,
        ]
      : [[name, labels] as const],
  ),
);
/** Labels that Prometheus adds. */
const ADDED = ['job', 'instance'];

const unknownIn = (expression: string) =>
  metricsIn(expression).filter((name) => !known.has(name) && name !== 'up');

test('docs/metrics.md lists every metric, as the code has it', () => {
  expect(readFileSync(join(PROJECT_ROOT, 'docs/metrics.md'), 'utf8')).toBe(metricsPage());
});

describe('the dashboard', () => {
  test('asks for metrics that exist, and for nothing else', () => {
    expect(expressions.length).toBeGreaterThan(25);
    expect(
      expressions.flatMap(([title, expr]) => unknownIn(expr).map((name) => `${title}: ${name}`)),
    ).toEqual([]);
    for (const [, expr] of expressions) expect(metricsIn(expr).length).toBeGreaterThan(0);
  });

  test('asks for labels that its metrics have', () => {
    const wrong = expressions.flatMap(([title, expr]) => {
      const has = new Set([...metricsIn(expr).flatMap((name) => known.get(name) ?? []), ...ADDED]);
      return labelsIn(expr)
        .filter((label) => !has.has(label))
        .map((label) => `${title}: ${label}`);
    });
    expect(wrong).toEqual([]);
  });

  test('has panels that do not lie over each other, each with a name of its own', () => {
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, index) => `${x + (index % w)},${y + Math.floor(index / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(dashboard.panels.every(({ gridPos: { x, w } }) => x + w <= 24)).toBe(true);
    const titles = dashboard.panels.map(({ title }) => title);
    expect(new Set(titles).size).toBe(titles.length);
  });

  test('shows the overview, sources, storage, sinks and the event loop', () => {
    const rows = dashboard.panels.filter(({ type }) => type === 'row').map(({ title }) => title);
    expect(rows).toEqual([
      'Overview',
      'Sources',
      'Flow',
      'Storage',
      'Sinks',
      'Process and event loop',
      'API',
    ]);
  });

  test.skipIf(promtoolMissing !== null)(
    `holds PromQL that Prometheus can read${skipNote(promtoolMissing)}`,
    () => {
      const folder = mkdtempSync(join(tmpdir(), 'headgate-panels-'));
      const check = (exprs: readonly string[]) => {
        const rules = exprs.map((expr, index) => ({ record: `panel:${index}`, expr: grafanaFree(expr) }));
        // JSON is YAML, too.
        writeFileSync(join(folder, 'rules.yml'), JSON.stringify({ groups: [{ name: 'panels', rules }] }));
        return promtool(['check', 'rules', '--lint=none', join(folder, 'rules.yml')]);
      };
      onTestFinished(() => rmSync(folder, { recursive: true }));
      expect(check(expressions.map(([, expr]) => expr))).toMatchObject({ exitCode: 0 });
      expect(check(['sum(rate(']).exitCode).not.toBe(0);
    },
  );
});

describe('the alerting rules', () => {
  const rules = [...read('alerts.yml').matchAll(/^ {8}expr: (?:>-\n((?: {10}.*\n)+)|(.+)\n)/gm)].map(
    ([, block, line]) => block ?? line ?? '',
  );

  test('watch metrics that exist', () => {
    const alerts = [...read('alerts.yml').matchAll(/^ {6}- alert: (\w+)/gm)].map(([, name]) => name);
    expect(rules).toHaveLength(alerts.length);
    expect(alerts.length).toBeGreaterThanOrEqual(12);
    expect(rules.flatMap(unknownIn)).toEqual([]);
  });

  test('say what happened and what to do', () => {
    const text = read('alerts.yml');
    for (const word of ['summary', 'description', 'severity']) {
      expect(text.split(` ${word}: `)).toHaveLength(rules.length + 1);
    }
  });

  test.skipIf(promtoolMissing !== null)(
    `are read by Prometheus, and fire when they must${skipNote(promtoolMissing)}`,
    { timeout: 120_000 },
    () => {
      expect(promtool(['check', 'rules', join(DEPLOY, 'alerts.yml')])).toMatchObject({ exitCode: 0 });
      const tests = promtool(['test', 'rules', join(DEPLOY, 'alerts-test.yml')]);
      expect(tests).toMatchObject({ exitCode: 0, said: expect.stringContaining('SUCCESS') as string });
    },
  );

  test('are each tested, to fire and not to', () => {
    const tests = read('alerts-test.yml');
    for (const [, name] of read('alerts.yml').matchAll(/^ {6}- alert: (\w+)/gm)) {
      const times = [...tests.matchAll(new RegExp(`alertname: ${name}\\b`, 'g'))];
      expect([name, times.length >= 1]).toEqual([name, true]);
    }
  });
});

describe('names are found in PromQL:', () => {
  test.each([
    ['sum(rate(a_total{b="c", d=~"e|f"}[5m])) by (g)', ['a_total'], ['b', 'd', 'g']],
    ['histogram_quantile(0.99, sum by (le) (rate(a_bucket[$__rate_interval])))', ['a_bucket'], ['le']],
    ['a / on (b, c) group_left (d) e > 0.5', ['a', 'e'], ['b', 'c', 'd']],
    ['max without (a) (b) or vector(0) unless c', ['b', 'c'], ['a']],
    ['time() - a offset 5m == bool 1e3', ['a'], []],
  ])('%s', (expression, metrics, labels) => {
    expect(metricsIn(expression)).toEqual(metrics);
    expect(labelsIn(expression)).toEqual(labels);
  });
});

/** What Grafana fills in, filled in. */
function grafanaFree(expr: string): string {
  return expr.replaceAll('$__rate_interval', '1m').replaceAll('$__range', '1h');
}
