/** The readings that travel in the benchmarks with a transport, and what becomes of them on the way. Every
 *  program under measurement is given the same bytes. */

export interface SensorReading {
  readonly sensor: string;
  readonly value: number;
  readonly unit: string;
  readonly seq: number;
  readonly ts: number;
}

interface Converted {
  readonly sensor: string;
  readonly fahrenheit: number;
  readonly ts: number;
}

/** As many different readings there are; then they begin again. */
export const READINGS = 1_000;

const START_MS = Date.UTC(2026, 0, 1);

/** From 0 to 99.9 °C, of ten sensors; some 75 bytes each as JSON. */
export const readings: readonly SensorReading[] = Array.from({ length: READINGS }, (_, index) => ({
  sensor: `s${index % 10}`,
  value: ((index * 7_919) % 1_000) / 10,
  unit: 'C',
  seq: index,
  ts: START_MS + index,
}));

export function readingAt(index: number): SensorReading {
  return readings[index % READINGS] as SensorReading;
}

/** What every reading passes: the filter of a flow that stores everything. */
export function isPlausible({ value }: SensorReading): boolean {
  return value >= -40 && value <= 125;
}

/** What nine readings of ten pass. */
export function isWarm({ value }: SensorReading): boolean {
  return value >= 10;
}

export function toFahrenheit({ sensor, value, ts }: SensorReading): Converted {
  return { sensor, fahrenheit: value * 1.8 + 32, ts };
}

/** How many of the first `count` readings pass. */
export function countPassing(count: number, passes: (reading: SensorReading) => boolean): number {
  const inAll = readings.filter(passes).length;
  const rest = readings.slice(0, count % READINGS).filter(passes).length;
  return Math.floor(count / READINGS) * inAll + rest;
}

/** The mean of the payloads. */
export const payloadBytes =
  readings.reduce((sum, reading) => sum + JSON.stringify(reading).length, 0) / readings.length;
