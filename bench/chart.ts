/** Measurements as a picture: one bar a row, its length the ratio to what the row is held against, a tick
 *  where its bound is, and the value in words. What is promised stands apart from what is only told. */

import { cpus } from 'node:os';
import * as echarts from 'echarts';
import { rowOf, type BenchRow, type Measured } from './result.ts';

interface Panel {
  readonly title: string;
  readonly axis: string;
  /** Ratios on a linear scale from 0, or on a logarithmic one about 1. */
  readonly scale: 'linear' | 'log';
  readonly lines: readonly Line[];
}

interface Line {
  readonly row: BenchRow;
  /** The bound as a ratio; null where nothing is promised. */
  readonly boundRatio: number | null;
}

const WIDTH = 1_120;
const LINE_HEIGHT = 30;
const HEADER_HEIGHT = 108;
const PANEL_TITLE_HEIGHT = 34;
const PANEL_AXIS_HEIGHT = 62;
const LEFT = 210;
const RIGHT = 400;
/** A linear axis ends here; a longer bar is cut, its label tells. */
const RATIO_MAX = 4;
const LINEAR_STEP = 0.5;

const COLOURS = { met: '#2f7d5b', 'not met': '#c8452f', 'told, no bound': '#5b7fa6', bound: '#1c1c1c' };
type Verdict = Exclude<keyof typeof COLOURS, 'bound'>;

const NUMBERS = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });

/** An SVG document. */
export function drawChart(measured: readonly Measured[], about = machine()): string {
  const panels = panelsOf(measured);
  const heights = panels.map(heightOf);
  const height = HEADER_HEIGHT + heights.reduce((sum, one) => sum + one, 0);
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: WIDTH, height });
  const tops = heights.map((_, index) =>
    heights.slice(0, index).reduce((sum, one) => sum + one, HEADER_HEIGHT),
  );
  chart.setOption({
    animation: false,
    backgroundColor: '#ffffff',
    textStyle: { fontFamily: 'sans-serif' },
    title: [
      { text: 'Headgate: benchmarks', subtext: about, left: 24, top: 16 },
      ...panels.map(({ title }, index) => ({
        text: title,
        left: 24,
        top: (tops[index] ?? 0) + 2,
        textStyle: { fontSize: 14 },
      })),
    ],
    legend: { right: 32, top: 24, itemGap: 36, itemWidth: 16, data: panels.length === 0 ? [] : legend() },
    grid: panels.map(({ lines }, index) => ({
      left: LEFT,
      right: RIGHT,
      top: (tops[index] ?? 0) + PANEL_TITLE_HEIGHT,
      height: lines.length * LINE_HEIGHT,
    })),
    xAxis: panels.map(xAxisOf),
    yAxis: panels.map(({ lines }, index) => ({
      type: 'category',
      gridIndex: index,
      inverse: true,
      data: lines.map(({ row }) => row.name),
      axisTick: { show: false },
      axisLabel: { color: '#1c1c1c' },
    })),
    series: panels.flatMap(seriesOf),
  } satisfies echarts.EChartsOption);
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

function legend(): { name: string; icon?: string }[] {
  return Object.keys(COLOURS).map((name) =>
    name === 'bound' ? { name, icon: 'path://M6 0H9V14H6Z' } : { name },
  );
}

function heightOf({ lines }: Panel): number {
  return PANEL_TITLE_HEIGHT + lines.length * LINE_HEIGHT + PANEL_AXIS_HEIGHT;
}

function panelsOf(measured: readonly Measured[]): Panel[] {
  const lines = measured.map((one) => ({ measured: one, line: lineOf(one) }));
  const linesOf = (isIn: (one: Measured) => boolean) =>
    lines.filter((one) => isIn(one.measured)).map(({ line }) => line);
  const panels: Panel[] = [
    {
      title: 'Promised: higher is better',
      axis: 'value ÷ reference',
      scale: 'linear',
      lines: linesOf(({ better, bound }) => better === 'higher' && bound.isCeiling !== true),
    },
    {
      title: 'Promised: lower is better',
      axis: 'value ÷ reference',
      scale: 'linear',
      lines: linesOf(({ better, bound }) => better === 'lower' && bound.isCeiling !== true),
    },
    {
      title: 'Told: what it costs, lower is better',
      axis: 'value ÷ reference, logarithmic',
      scale: 'log',
      lines: linesOf(({ bound }) => bound.isCeiling === true),
    },
  ];
  return panels.filter((panel) => panel.lines.length > 0);
}

function lineOf(measured: Measured): Line {
  const row = rowOf(measured);
  const { of, limit, isCeiling } = measured.bound;
  if (isCeiling === true || row.skipped !== undefined) return { row, boundRatio: null };
  return { row, boundRatio: of === 'ratio' ? limit : limit / row.reference };
}

function verdictOf({ row, boundRatio }: Line): Verdict {
  if (boundRatio === null) return 'told, no bound';
  return row.met ? 'met' : 'not met';
}

/** A row without a measurement has no bar. */
function barVerdictOf(line: Line): Verdict | null {
  return line.row.skipped === undefined ? verdictOf(line) : null;
}

/** Where a ratio stands on the axis: itself, or its power of ten, so that bars begin at 1. */
function place(ratio: number, scale: Panel['scale']): number {
  if (scale === 'log') return ratio > 0 ? Math.log10(ratio) : 0;
  return Math.min(Math.max(ratio, 0), RATIO_MAX);
}

function xAxisOf({ axis, scale, lines }: Panel, gridIndex: number): echarts.XAXisComponentOption {
  const places = lines.flatMap(({ row, boundRatio }) =>
    [row.ratio, boundRatio ?? row.ratio].map((ratio) => place(ratio, scale)),
  );
  const common = {
    type: 'value',
    gridIndex,
    name: axis,
    nameLocation: 'middle',
    nameGap: 28,
    axisLine: { show: true },
    splitLine: { lineStyle: { color: '#e6e6e6' } },
  } as const;
  if (scale === 'linear') {
    const max = Math.max(1, Math.ceil(Math.max(...places) / LINEAR_STEP) * LINEAR_STEP);
    return { ...common, min: 0, max, interval: LINEAR_STEP };
  }
  return {
    ...common,
    min: Math.min(0, Math.floor(Math.min(...places))),
    max: Math.max(1, Math.ceil(Math.max(...places))),
    interval: 1,
    axisLabel: { formatter: (power: number) => `${NUMBERS.format(10 ** power)} ×` },
  };
}

function seriesOf({ lines, scale }: Panel, index: number): echarts.SeriesOption[] {
  const axes = { xAxisIndex: index, yAxisIndex: index };
  const verdicts = (Object.keys(COLOURS) as (keyof typeof COLOURS)[]).filter((name) => name !== 'bound');
  return [
    ...verdicts.map((name): echarts.BarSeriesOption => ({
      ...axes,
      name,
      type: 'bar',
      // The verdicts of one row lie over each other: only one has a bar.
      barGap: '-100%',
      barWidth: LINE_HEIGHT * 0.55,
      itemStyle: { color: COLOURS[name] },
      data: lines.map((line) => (barVerdictOf(line) === name ? place(line.row.ratio, scale) : null)),
    })),
    {
      ...axes,
      name: 'bound',
      type: 'scatter',
      symbol: 'rect',
      symbolSize: [3, LINE_HEIGHT * 0.8],
      itemStyle: { color: COLOURS.bound },
      z: 4,
      data: lines.map(({ boundRatio }, line) => [boundRatio === null ? '-' : place(boundRatio, scale), line]),
    },
    wordsOf(lines, axes),
  ];
}

/** The values, to the right of the bars. */
function wordsOf(
  lines: readonly Line[],
  axes: { readonly xAxisIndex: number; readonly yAxisIndex: number },
): echarts.CustomSeriesOption {
  return {
    ...axes,
    type: 'custom',
    silent: true,
    data: lines.map((_, line) => [0, line]),
    clip: false,
    renderItem: (_params, api) => {
      const line = lines[api.value(1) as number] as Line;
      const [, y = 0] = api.coord([0, api.value(1)]);
      return {
        type: 'text',
        style: {
          text: wordsFor(line),
          x: WIDTH - RIGHT + 16,
          y,
          verticalAlign: 'middle',
          fill: verdictOf(line) === 'not met' ? COLOURS['not met'] : '#1c1c1c',
          fontSize: 12,
        },
      };
    },
  };
}

function wordsFor({ row }: Line): string {
  if (row.skipped !== undefined) return 'skipped';
  const value = `${NUMBERS.format(row.value)} ${row.unit}`;
  return `${value} = ${NUMBERS.format(row.ratio)} × ${row.referenceName}`;
}

function machine(): string {
  const processors = cpus();
  const model = processors[0]?.model.trim() ?? 'unknown processor';
  return `${processors.length} × ${model}, Node.js ${process.versions.node}; medians`;
}
