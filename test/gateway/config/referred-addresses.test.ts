/** An address that a reference stands for is shown in errors, but for what may be a secret in it. */

import { expect, test } from 'vitest';
import { SecretBook } from '../../../src/gateway/config/secrets.ts';

function shown(value: string, message: string): string {
  const secrets = new SecretBook();
  secrets.addReferred(value);
  secrets.addAllOf({ sources: { a: { url: value } } });
  return secrets.mask(message);
}

test.each([
  [
    'http://127.0.0.1:18080/boiler',
    'http://127.0.0.1:18080/boiler answered 503',
    'http://127.0.0.1:18080/boiler answered 503',
  ],
  [
    'mqtt://gw:hunter22@plant:1883',
    'mqtt://gw:hunter22@plant:1883 hung up',
    'mqtt://gw:***@plant:1883 hung up',
  ],
  ['https://h/in?token=abcdef', 'https://h/in?token=abcdef is gone', 'https://h/in?*** is gone'],
  [
    'https://hooks/T1/0123456789abcdef0',
    'https://hooks/T1/0123456789abcdef0: 404',
    'https://hooks/T1/***: 404',
  ],
  ['hunter22', 'the password hunter22 is wrong', 'the password *** is wrong'],
])('%s', (value, message, masked) => {
  expect(shown(value, message)).toBe(masked);
});
