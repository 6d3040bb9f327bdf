import { describe, test } from 'vitest';
import { sourceConformance } from '../../../src/testing/source-conformance.ts';
import { fileKit, httpKit, simulatedHttpKit, webSocketKit } from '../../support/conformance-network-kits.ts';

describe.each([httpKit, simulatedHttpKit, webSocketKit, fileKit])('$name', (kit) => {
  for (const { title, run } of sourceConformance(kit)) test(title, run);
});
