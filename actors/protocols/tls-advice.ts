/** Meaning and remedy of failed TLS handshakes: each code of OpenSSL and Node has its own
 *  advice. */

import type { DetailedPeerCertificate } from 'node:tls';
import { printable } from '../../src/domain/printable-text.ts';
import { certificateBehind } from './socket/open-socket.ts';

interface Facts {
  readonly certificate: DetailedPeerCertificate | null;
  readonly error: unknown;
  /** Wall time, where the caller knows it. */
  readonly nowMs: number | undefined;
}

type Advice = string | ((facts: Facts) => string);

const UNKNOWN_ISSUER: Advice = ({ certificate }) =>
  `its certificate was issued by ${issuerOf(certificate)}, which is not trusted here; set tls.ca to the ` +
  'certificate of that authority, or let the server send its whole chain';
const REFUSED_CLIENT = 'it refused the certificate of this client';
const CLIENT_NEEDED = 'it wants a certificate of the client; set tls.cert and tls.key';
const TOO_OLD =
  'it speaks only versions of TLS that are too old (before 1.2); update its TLS settings, nothing older is ' +
  'spoken here';
const NO_TLS =
  'what listens there does not speak TLS; correct the port, or begin the url with the scheme without TLS ' +
  '(mqtt, http, ws)';
const TOO_WEAK = 'its certificate has a key or a signature that is too weak; have it issued again';

const TLS_ADVICE: Readonly<Record<string, Advice>> = {
  CERT_HAS_EXPIRED: (facts) => expired(facts),
  CERT_NOT_YET_VALID: (facts) => notYetValid(facts),
  ERR_TLS_CERT_ALTNAME_INVALID: ({ error, certificate }) => wrongName(error, certificate),
  DEPTH_ZERO_SELF_SIGNED_CERT:
    'its certificate is self-signed and not trusted here; set tls.ca to that very certificate',
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_ISSUER,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_ISSUER,
  UNABLE_TO_GET_ISSUER_CERT: UNKNOWN_ISSUER,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: UNKNOWN_ISSUER,
  CERT_UNTRUSTED: UNKNOWN_ISSUER,
  CERT_SIGNATURE_FAILURE: ({ certificate }) =>
    `its certificate is not signed by the ${issuerOf(certificate)} of tls.ca; an authority of the same ` +
    'name has another key: set tls.ca to the one that issued it',
  CERT_REVOKED: 'its certificate has been revoked; have it issued again',
  INVALID_PURPOSE: 'its certificate is not for servers; have one issued with the purpose serverAuth',
  INVALID_CA: 'its certificate was issued by one that is no authority; have it issued again',
  PATH_LENGTH_EXCEEDED: 'its chain of certificates is longer than its authority allows',
  ERR_SSL_WRONG_VERSION_NUMBER: NO_TLS,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NO_TLS,
  ERR_SSL_RECORD_LAYER_FAILURE: NO_TLS,
  ERR_SSL_HTTP_REQUEST: NO_TLS,
  ERR_SSL_UNEXPECTED_MESSAGE: NO_TLS,
  ERR_SSL_BAD_RECORD_TYPE: NO_TLS,
  ERR_SSL_UNSUPPORTED_PROTOCOL: TOO_OLD,
  ERR_SSL_VERSION_TOO_LOW: TOO_OLD,
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: TOO_OLD,
  ERR_SSL_NO_PROTOCOLS_AVAILABLE: TOO_OLD,
  ERR_SSL_EE_KEY_TOO_SMALL: TOO_WEAK,
  ERR_SSL_CA_KEY_TOO_SMALL: TOO_WEAK,
  ERR_SSL_CA_MD_TOO_WEAK: TOO_WEAK,
  ERR_SSL_DH_KEY_TOO_SMALL: 'its Diffie-Hellman key is too short; update its TLS settings',
  CERT_MD_TOO_WEAK: TOO_WEAK,
  EE_KEY_TOO_SMALL: TOO_WEAK,
  CA_KEY_TOO_SMALL: TOO_WEAK,
  CA_MD_TOO_WEAK: TOO_WEAK,
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED: CLIENT_NEEDED,
  ERR_SSL_SSLV3_ALERT_NO_CERTIFICATE: CLIENT_NEEDED,
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE:
    'it refused the handshake; it may want a certificate of the client (set tls.cert and tls.key), or know ' +
    'none of the ciphers spoken here',
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA: `${REFUSED_CLIENT}: it does not know the authority that issued tls.cert`,
  ERR_SSL_TLSV1_ALERT_DECRYPT_ERROR: `${REFUSED_CLIENT}: its signature does not verify there`,
  ERR_SSL_TLSV1_ALERT_ACCESS_DENIED: `${REFUSED_CLIENT}: it may not connect; see the rules of the server`,
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED: `${REFUSED_CLIENT}: it has expired; renew tls.cert`,
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED: `${REFUSED_CLIENT}: it has been revoked; renew tls.cert`,
  // Servers in Go send it also to a client that showed no certificate.
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: `${REFUSED_CLIENT}, or got none; set tls.cert and tls.key`,
  ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN: `${REFUSED_CLIENT}; see the log of the server, correct tls.cert`,
  ERR_SSL_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE: `${REFUSED_CLIENT}: it is of a kind the server does not take`,
  ERR_SSL_TLSV1_UNRECOGNIZED_NAME: 'it has no certificate for the host of the url; correct the url',
  ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR: 'it failed in the handshake; see the log of the server',
  ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL: 'it does not take the protocol that is spoken here (ALPN)',
  ERR_OSSL_X509_KEY_VALUES_MISMATCH: 'tls.key does not belong to tls.cert; give the key of that certificate',
  ERR_OSSL_X509_CERT_ALREADY_IN_HASH_TABLE: 'tls.ca holds one certificate twice',
};

/** The advice on a code of OpenSSL, or null where it is none of them. `message` is OpenSSL's own. */
export function tlsAdvice(
  code: string,
  {
    error,
    message,
    nowMs,
  }: { readonly error: unknown; readonly message: string; readonly nowMs: number | undefined },
): string | null {
  // OpenSSL 3.5 names alerts without the version that brought them.
  const known = TLS_ADVICE[code] ?? TLS_ADVICE[olderName(code)];
  if (known === undefined) {
    if (/^ERR_(SSL|TLS|OSSL)_/.test(code))
      return `the TLS handshake failed (${code}); check tls and the port of the url`;
    // The names that Node has no code for.
    if (code === 'UNSPECIFIED') return /too (weak|small)/.test(message) ? TOO_WEAK : notAccepted(message);
    if (/CERT|SIGNED|UNABLE_TO_/.test(code)) return notAccepted(code);
    return null;
  }
  if (typeof known === 'string') return known;
  return known({ certificate: certificateBehind(error), error, nowMs });
}

function notAccepted(why: string): string {
  return `its certificate is not accepted (${why}); check tls.ca`;
}

function olderName(code: string): string {
  return code
    .replace('ERR_SSL_TLS_ALERT_', 'ERR_SSL_TLSV1_ALERT_')
    .replace(/^ERR_SSL_SSL[_/]TLS_ALERT_/, 'ERR_SSL_SSLV3_ALERT_');
}

function expired({ certificate, nowMs }: Facts): string {
  const now = nowMs ?? Number.NaN;
  const dead = chainOf(certificate).find(({ valid_to: end }) => !(Date.parse(end) >= now));
  if (dead === undefined) return `its certificate has expired; renew it${clockNote(nowMs)}`;
  const which =
    dead === certificate ? 'its certificate' : `the certificate of its authority ${nameOf(dead.subject)}`;
  return `${which} expired on ${when(dead.valid_to)}; renew it${clockNote(nowMs)}`;
}

function notYetValid({ certificate, nowMs }: Facts): string {
  const now = nowMs ?? Number.NaN;
  const early = chainOf(certificate).find(({ valid_from: start }) => !(Date.parse(start) <= now));
  if (early === undefined) return `its certificate is not valid yet; check the clocks${clockNote(nowMs)}`;
  const which =
    early === certificate ? 'its certificate' : `the certificate of its authority ${nameOf(early.subject)}`;
  const clock = nowMs === undefined ? '' : `; this clock says ${when(nowMs)}`;
  const remedy = 'set the clock of this machine, or of the one that issued it';
  return `${which} is valid from ${when(early.valid_from)}${clock}: ${remedy}`;
}

function wrongName(error: unknown, certificate: DetailedPeerCertificate | null): string {
  const { host, cert } = innermost(error);
  const { subjectaltname, subject } = cert ?? certificate ?? {};
  const names = (subjectaltname ?? '')
    .split(', ')
    .flatMap((entry) => /^(?:DNS|IP Address):(.+)$/.exec(entry)?.[1] ?? []);
  const shown = names.length > 0 ? names.slice(0, 5).join(', ') : nameOf(subject ?? {});
  const more = names.length > 5 ? ` and ${names.length - 5} more` : '';
  return (
    `its certificate is for ${printable(shown)}${more}, not ${host ?? 'the host of the url'}; correct the ` +
    'host of the url, or have a certificate issued for that name'
  );
}

function innermost(error: unknown): { host?: string; cert?: DetailedPeerCertificate } {
  let inner = error as { host?: string; cert?: DetailedPeerCertificate; cause?: unknown };
  for (let depth = 0; depth < 4 && inner.cert === undefined && inner.cause instanceof Error; depth++) {
    inner = inner.cause;
  }
  return inner;
}

/** The certificate and those of its authorities, as far as they were sent. */
function chainOf(certificate: DetailedPeerCertificate | null): DetailedPeerCertificate[] {
  const chain: DetailedPeerCertificate[] = [];
  for (let next = certificate; next?.valid_to !== undefined && !chain.includes(next);) {
    chain.push(next);
    if (chain.length > 10) break;
    next = next.issuerCertificate;
  }
  return chain;
}

function issuerOf(certificate: DetailedPeerCertificate | null): string {
  const last = chainOf(certificate).at(-1);
  return last === undefined ? 'an authority' : nameOf(last.issuer);
}

/** A certificate's subject or issuer, shown by its common name. */
function nameOf(subject: Partial<Record<'CN' | 'O', string | string[]>>): string {
  const name = subject.CN ?? subject.O;
  const text = Array.isArray(name) ? name.join(', ') : name;
  return text === undefined ? 'another name' : `"${printable(text).slice(0, 100)}"`;
}

function clockNote(nowMs: number | undefined): string {
  return nowMs === undefined ? '' : ` (this clock says ${when(nowMs)})`;
}

function when(time: string | number): string {
  const ms = typeof time === 'number' ? time : Date.parse(time);
  return Number.isNaN(ms) ? String(time) : `${new Date(ms).toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
