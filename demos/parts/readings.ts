/** Measurements the demos' sensors give: four years of daily weather in Seattle (data/SOURCE.md). */

import { readFileSync } from 'node:fs';

export interface Reading {
  /** The day, as YYYY-MM-DD. */
  readonly date: string;
  readonly celsiusMax: number;
  readonly celsiusMin: number;
  readonly precipitationMm: number;
}

let loaded: readonly Reading[] | undefined;

/** All readings, in order of days. Read once. */
export function loadReadings(): readonly Reading[] {
  loaded ??= parseReadings(readFileSync(new URL('../data/seattle-weather.csv', import.meta.url), 'utf8'));
  return loaded;
}

/** One reading a call, day after day from `startDay` on; after the last day the first one follows. */
export function readingsFrom(startDay: number): () => Reading {
  const readings = loadReadings();
  let day = startDay;
  return () => readings[day++ % readings.length] as Reading;
}

/** The day in degrees Fahrenheit, a scale on which Seattle ranges from 29 to 96. */
export function fahrenheit(celsius: number): number {
  return Math.round(celsius * 18 + 320) / 10;
}

/** The file has a header and no quoted fields. */
function parseReadings(csv: string): Reading[] {
  const [header = '', ...lines] = csv.trimEnd().split(/\r?\n/);
  const names = header.split(',');
  const column = (name: string) => names.indexOf(name);
  const [date, rain, max, min] = ['date', 'precipitation', 'temp_max', 'temp_min'].map(column) as [
    number,
    number,
    number,
    number,
  ];
  return lines.map((line) => {
    const fields = line.split(',');
    return {
      date: fields[date] ?? '',
      celsiusMax: Number(fields[max]),
      celsiusMin: Number(fields[min]),
      precipitationMm: Number(fields[rain]),
    };
  });
}
