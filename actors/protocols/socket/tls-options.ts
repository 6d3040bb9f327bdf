/** The options of a connection over TLS, and what OpenSSL says against them. */

import { createSecureContext } from 'node:tls';
import { z } from 'zod';
import { messageOf } from '../../../src/domain/errors.ts';
import type { PemInput } from './open-socket.ts';

const pemText = z.custom<string | Uint8Array>(
  (value) => value instanceof Uint8Array || (typeof value === 'string' && value.includes('-----BEGIN ')),
  'must be PEM text or bytes, not the path of a file: readFileSync(path) gives them',
);
const pem = z.custom<PemInput>(
  (value) => (Array.isArray(value) ? value : [value]).every((part) => pemText.safeParse(part).success),
  'must be PEM text or bytes, or a list of them, not the path of a file: readFileSync(path) gives them',
);

/** Options of TLS: `ca`, `cert` and `key` as PEM; `rejectUnauthorized`; `serverName`, the name that the
 *  certificate must be for where it is not the host of the url. */
export const tlsSchema = z
  .strictObject({
    ca: pem.optional(),
    cert: pem.optional(),
    key: pem.optional(),
    rejectUnauthorized: z.boolean().default(true),
    serverName: z.string().min(1).optional(),
  })
  .superRefine((tls, context) => {
    if ((tls.cert === undefined) !== (tls.key === undefined)) {
      const missing = tls.cert === undefined ? 'cert' : 'key';
      context.addIssue({ code: 'custom', path: [missing], message: 'cert and key go together' });
      return;
    }
    const problem = certificateProblem(tls);
    if (problem !== null) context.addIssue({ code: 'custom', message: problem });
  });

/** OpenSSL's objection to certificates and key, or null. Its messages quote neither. */
function certificateProblem(tls: { ca?: unknown; cert?: unknown; key?: unknown }): string | null {
  try {
    createSecureContext(tls as Parameters<typeof createSecureContext>[0]);
    return null;
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (code === 'ERR_OSSL_X509_KEY_VALUES_MISMATCH')
      return 'key does not belong to cert; give the key of that certificate';
    return `certificates or key cannot be used: ${messageOf(error)}`;
  }
}
