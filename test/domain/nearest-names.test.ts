import { describe, expect, test } from 'vitest';
import { nearestNames } from '../../src/domain/nearest-names.ts';

const KNOWN = ['intervalMs', 'jitterMs', 'timeoutMs', 'capacityRecords', 'overflow', 'id', 'url'];

describe('a mistyped name', () => {
  const check = (name: string, ...expected: string[]) =>
    expect(nearestNames(name, KNOWN).slice(0, 1)).toEqual(expected);
  test('intervalMS', () => check('intervalMS', 'intervalMs'));
  test('intervallMs', () => check('intervallMs', 'intervalMs'));
  test('interval', () => check('interval', 'intervalMs'));
  test('timeotuMs', () => check('timeotuMs', 'timeoutMs'));
  test('capacity', () => check('capacity', 'capacityRecords'));
  test('CAPACITYRECORDS', () => check('CAPACITYRECORDS', 'capacityRecords'));
  test('ulr', () => check('ulr', 'url'));
  test('ovreflow', () => check('ovreflow', 'overflow'));
  test('banana is none of them', () => check('banana'));
  test('nothing is none of them', () => check(''));
});

test('of several near names the nearest come first, three at most, equals in order', () =>
  expect(nearestNames('stop1', ['stop4', 'stop3', 'stop1a', 'stop2', 'start'])).toEqual([
    'stop1a',
    'stop2',
    'stop3',
  ]));

test('swapped neighbours are one slip', () => expect(nearestNames('ab', ['ba', 'xy'])).toEqual(['ba']));
