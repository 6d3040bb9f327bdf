/** Parts beside the engine that change while the gateway runs: what cannot be made changes nothing, and one
 *  begins when the one before has ended. */

import { expect, test } from 'vitest';
import { LivePart } from '../../src/gateway/live-part.ts';
import { Replaceable } from '../../src/gateway/replaceable.ts';

test('a part is changed only where its options differ, and back by the way of the step', async () => {
  const put: string[] = [];
  const part = new LivePart('control.mqtt', { url: 'a' }, ({ url }) => void put.push(url));
  expect(part.stepsTo({ url: 'a' })).toEqual([]);
  const [step] = part.stepsTo({ url: 'b' });
  await step?.apply({});
  expect(part.stepsTo({ url: 'b' })).toEqual([]);
  await step?.revert({});
  expect([put, part.stepsTo({ url: 'a' })]).toEqual([['b', 'a'], []]);
});

test('a part that cannot be made with other options goes on with its own, and is tried again', async () => {
  const part = new LivePart('metrics', 'mine', () => {
    throw new Error('the package is missing');
  });
  const [step] = part.stepsTo('other');
  await expect(step?.apply({})).rejects.toThrow('the package is missing');
  expect(part.stepsTo('mine')).toEqual([]);
  expect(part.stepsTo('other')).toHaveLength(1);
});

/** Things that end when they are told to. */
function things() {
  const said: string[] = [];
  const ends = new Map<string, () => void>();
  const inUse = new Replaceable<string>({
    begin: (thing) => void said.push(`${thing} begins`),
    end: async (thing) => {
      said.push(`${thing} is to end`);
      await new Promise<void>((resolve) => ends.set(thing, resolve));
    },
  });
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  return {
    ...{ said, inUse, settled },
    end: async (thing: string) => {
      ends.get(thing)?.();
      await settled();
    },
  };
}

test('the next one begins when the one before has ended, and one that was replaced meanwhile never does', async () => {
  const { said, inUse, settled, end } = things();
  inUse.replace('first');
  await settled();
  inUse.replace('second');
  inUse.replace('third');
  await settled();
  expect(said).toEqual(['first begins', 'first is to end']);
  await end('first');
  await end('second');
  expect(said).toEqual(['first begins', 'first is to end', 'second is to end', 'third begins']);
});

test('the end waits for all of them', async () => {
  const { said, inUse, settled, end } = things();
  inUse.replace('first');
  await settled();
  inUse.replace('second');
  let isOver = false;
  const over = inUse[Symbol.asyncDispose]().then(() => (isOver = true));
  await settled();
  await end('first');
  expect(isOver).toBe(false);
  await end('second');
  await over;
  expect(said).toEqual(['first begins', 'first is to end', 'second is to end']);
});
