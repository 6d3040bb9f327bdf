/** Certificates that a client must refuse, each for a reason of its own, made with the openssl command. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

export interface OddCertificates {
  /** The authority that issued all but `stranger` and `selfSigned`. */
  readonly ca: string;
  readonly good: KeyPair;
  /** Valid from 1 to 2 January 2020. */
  readonly expired: KeyPair;
  /** Valid from 1 January 2090. */
  readonly early: KeyPair;
  /** For else.example. */
  readonly other: KeyPair;
  /** Of an authority nobody trusts. */
  readonly stranger: KeyPair;
  readonly selfSigned: KeyPair;
  /** Of the authority, with a key of 512 bits. */
  readonly weak: KeyPair;
}

const CONFIG = `
[ca]
default_ca = here
[here]
dir = .
database = ./index.txt
serial = ./serial
new_certs_dir = .
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
`;

export function makeOddCertificates(): OddCertificates {
  const folder = mkdtempSync(path.join(tmpdir(), 'headgate-odd-certificates-'));
  const at = (name: string) => path.join(folder, name);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
  const read = (name: string) => readFileSync(at(name), 'utf8');
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const selfSign = (name: string, subject: string) =>
    openssl(
      'req',
      '-x509',
      ...newKey,
      '-keyout',
      `${name}.key`,
      '-out',
      `${name}.pem`,
      '-days',
      '30',
      '-subj',
      subject,
    );
  const issue = (
    name: string,
    host: string,
    { authority = 'ca', from = '', to = '', key = newKey } = {},
  ): KeyPair => {
    writeFileSync(at('ext.cnf'), `subjectAltName=DNS:${host}\n`);
    openssl('req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
    const dates = from === '' ? ['-days', '30'] : ['-startdate', from, '-enddate', to];
    const signer = ['-cert', `${authority}.pem`, '-keyfile', `${authority}.key`];
    const files = ['-in', `${name}.csr`, '-out', `${name}.pem`, '-extfile', 'ext.cnf'];
    openssl('ca', '-batch', '-notext', '-config', 'ca.cnf', ...signer, ...files, ...dates);
    return { cert: read(`${name}.pem`), key: read(`${name}.key`) };
  };
  try {
    writeFileSync(at('ca.cnf'), CONFIG);
    writeFileSync(at('index.txt'), '');
    writeFileSync(at('serial'), '1000\n');
    selfSign('ca', '/CN=plant authority');
    selfSign('nobody', '/CN=somebody else');
    selfSign('localhost', '/CN=localhost');
    const shortKey = ['-newkey', 'rsa:512', '-nodes'];
    return {
      ca: read('ca.pem'),
      good: issue('good', 'localhost'),
      expired: issue('expired', 'localhost', { from: '20200101000000Z', to: '20200102000000Z' }),
      early: issue('early', 'localhost', { from: '20900101000000Z', to: '20910101000000Z' }),
      other: issue('other', 'else.example'),
      stranger: issue('stranger', 'localhost', { authority: 'nobody' }),
      selfSigned: { cert: read('localhost.pem'), key: read('localhost.key') },
      weak: issue('weak', 'localhost', { key: shortKey }),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
