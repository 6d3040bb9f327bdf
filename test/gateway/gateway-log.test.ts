import { describe, expect, test } from 'vitest';
import { createGatewayLog, type GatewayLogOptions } from '../../src/gateway/gateway-log.ts';

/** Logs into a list of lines. */
function logged(options: Partial<GatewayLogOptions> = {}) {
  const written: string[] = [];
  const write = (text: string) => void written.push(text);
  const log = createGatewayLog({ level: 'info', pretty: false, write, ...options });
  return { log, written, lines: () => written.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

describe('a line of the log', () => {
  test('is one JSON document with its level as a word and its time as ISO 8601', async () => {
    const { log, written, lines } = logged();
    log.warn({ source: 'plc-7' }, 'odd');
    expect(written[0]?.endsWith('\n')).toBe(true);
    expect(lines()).toMatchObject([{ level: 'warn', name: 'headgate', source: 'plc-7', msg: 'odd' }]);
    expect(new Date(lines()[0]?.['time'] as string).toISOString()).toBe(lines()[0]?.['time']);
  });

  for (const pretty of [false, true]) {
    test(`stays one line whatever stands in it${pretty ? ', for people too' : ''}`, async () => {
      const { log, written } = logged({ pretty });
      const evil = 'a\n{"level":"fatal","msg":"planted"}\r\u001b[2J\u009b1A\u2028\u202e';
      log.error({ source: evil, nested: { [evil]: [evil] } }, evil);
      expect(written).toHaveLength(1);
      const [line = ''] = written;
      expect(line.slice(0, -1)).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e]/);
      expect(line.endsWith('\n')).toBe(true);
    });
  }

  test('means the same after what is unsafe was escaped', async () => {
    const { log, lines } = logged();
    log.info({ source: 'a\u009bb' }, 'c\u2028d');
    expect(lines()).toMatchObject([{ source: 'a\u009bb', msg: 'c\u2028d' }]);
  });

  test('is left out below the level, which may change', async () => {
    const { log, lines } = logged({ level: 'error' });
    log.warn({}, 'too low');
    log.setLevel('debug');
    log.debug({}, 'now');
    log.setLevel('silent');
    log.fatal({}, 'nothing');
    expect(lines().map(({ msg }) => msg)).toEqual(['now']);
  });
});

describe('a secret', () => {
  test('is masked wherever it stands, also in a URL and where JSON escapes it', async () => {
    const { log, written } = logged();
    const secret = 'p"w\\ü d/1';
    log.hide([secret]);
    log.error({ url: `mqtt://u:${encodeURIComponent(secret)}@h`, deep: [{ a: secret }] }, `x ${secret} y`);
    expect(written[0]).not.toContain(JSON.stringify(secret).slice(1, -1));
    expect(written[0]).not.toContain(encodeURIComponent(secret));
    expect(JSON.parse(written[0] ?? '')).toMatchObject({
      url: 'mqtt://u:***@h',
      deep: [{ a: '***' }],
      msg: 'x *** y',
    });
  });

  test('is masked by the name of its field', async () => {
    const { log, lines } = logged();
    log.info({ password: 'abc', headers: { authorization: 'Bearer abc' } }, 'x');
    expect(lines()).toMatchObject([{ password: '***', headers: { authorization: '***' } }]);
  });

  test('that begins another does not leave its end to be read', async () => {
    const { log, lines } = logged();
    log.hide(['hunter']);
    log.hide(['hunter22']);
    log.info({}, 'hunter22 hunter');
    expect(lines()).toMatchObject([{ msg: '*** ***' }]);
  });

  test('of three characters masks nothing', async () => {
    const { log, lines } = logged();
    log.hide(['lev', '']);
    log.info({}, 'x');
    expect(lines()).toMatchObject([{ level: 'info' }]);
  });

  test('is masked for people too', async () => {
    const { log, written } = logged({ pretty: true });
    log.hide(['hunter22']);
    log.warn({ broker: 'mqtt://u:hunter22@h' }, 'no hunter22');
    expect(written.join('')).toContain('no ***');
    expect(written.join('')).not.toContain('hunter22');
  });
});
