/** Reads Prometheus' text format back, strictly: what it does not understand is an error. */

export interface ReadSeries {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface ReadText {
  readonly series: readonly ReadSeries[];
  readonly types: ReadonlyMap<string, string>;
  readonly helps: ReadonlyMap<string, string>;
  /** The one series of this name and these labels. @throws Error where it is not exactly one */
  readonly one: (name: string, labels?: Readonly<Record<string, string>>) => number;
  readonly all: (name: string) => readonly ReadSeries[];
}

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (-?[0-9.e+-]+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;

export function readExposition(text: string): ReadText {
  const series: ReadSeries[] = [];
  const types = new Map<string, string>();
  const helps = new Map<string, string>();
  for (const line of text.split('\n').filter((one) => one !== '')) {
    const comment = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line);
    if (comment !== null) {
      const [, kind, name, said] = comment as unknown as [string, string, string, string];
      (kind === 'HELP' ? helps : types).set(name, said);
      continue;
    }
    const match = LINE.exec(line);
    if (match === null) throw new Error(`not a line of the format: ${line}`);
    const [, name = '', labels = '', value = ''] = match;
    series.push({ name, labels: readLabels(labels, line), value: Number(value) });
  }
  const all = (name: string) => series.filter((one) => one.name === name);
  return {
    series,
    types,
    helps,
    all,
    one(name, labels = {}) {
      const found = all(name).filter((one) =>
        Object.entries(labels).every(([label, value]) => one.labels[label] === value),
      );
      if (found.length !== 1) throw new Error(`${found.length} series ${name} ${JSON.stringify(labels)}`);
      return found[0]?.value as number;
    },
  };
}

function readLabels(text: string, line: string): Record<string, string> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const match = LABEL.exec(text);
    if (match === null) throw new Error(`labels that cannot be read: ${line}`);
    labels[match[1] as string] = (match[2] as string).replaceAll('\\n', '\n').replaceAll(/\\(.)/g, '$1');
  }
  return labels;
}
