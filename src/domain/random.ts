/** Seeded randomness. The same seed gives the same numbers on every machine. */

export interface Random {
  /** The next number in [0, 1). */
  next(): number;
  /** A whole number in [min, max], both included. */
  integer(min: number, max: number): number;
  /** An independent generator whose numbers depend on this one's seed and on `label` alone, not on how many
   *  numbers were drawn: the order in which parts are made changes nothing. */
  fork(label: string): Random;
  /** A version-4 UUID made of this generator's numbers. */
  uuid(): string;
}

/** sfc32 (Chris Doty-Humphrey, PractRand), seeded through a 32-bit string hash. Not for secrets. */
export function seededRandom(seed: number | string): Random {
  const root = hash32(`headgate:${seed}`);
  let a = hash32(`${root}:a`);
  let b = hash32(`${root}:b`);
  let c = hash32(`${root}:c`);
  let counter = 1;

  const next32 = (): number => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    c |= 0;
    return sum >>> 0;
  };
  for (let round = 0; round < 12; round++) next32();

  const next = () => next32() / 4_294_967_296;
  return {
    next,
    integer: (min, max) => min + Math.floor(next() * (max - min + 1)),
    fork: (label) => seededRandom(`${root}/${label}`),
    uuid: () => formatUuid([next32(), next32(), next32(), next32()]),
  };
}

/** The generator that `make` returns, made when the first number is drawn. */
export class LazyRandom implements Random {
  readonly #make: () => Random;
  #made: Random | null = null;

  constructor(make: () => Random) {
    this.#make = make;
  }

  get #random(): Random {
    return (this.#made ??= this.#make());
  }

  next(): number {
    return this.#random.next();
  }

  integer(min: number, max: number): number {
    return this.#random.integer(min, max);
  }

  fork(label: string): Random {
    return this.#random.fork(label);
  }

  uuid(): string {
    return this.#random.uuid();
  }
}

/** FNV-1a with a final avalanche (Murmur3's finaliser), so that close seeds give far states. */
function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function formatUuid(words: readonly number[]): string {
  const hex = words.map((word) => word.toString(16).padStart(8, '0')).join('');
  const variant = ((Number.parseInt(hex[16] ?? '0', 16) & 0x3) | 0x8).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-');
}
