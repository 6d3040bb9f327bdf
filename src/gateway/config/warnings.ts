/** Warnings: settings that are valid and seldom intended. None of them keeps a gateway from running. */

import type { GatewayConfig } from './gateway-config.ts';
import { loopFindings } from './loop-check.ts';
import type { Finding } from './problems.ts';
import { rotatedWarnings } from './rotated-checks.ts';

export function configWarnings(config: GatewayConfig, nowMs: number): Finding[] {
  return [
    ...controlWarnings(config),
    ...tokenWarnings(config, nowMs),
    ...loopFindings(config),
    ...rotatedWarnings(config),
  ];
}

function controlWarnings({ control, auth }: GatewayConfig): Finding[] {
  if (control.mqtt === null || auth.tokens.length > 0) return [];
  const message =
    'there are no tokens: whoever may publish to the topic commands the gateway, and can read and write ' +
    'files by it; add a token to auth.tokens';
  return [{ path: ['control', 'mqtt', 'topic'], message }];
}

function tokenWarnings({ auth: { tokens } }: GatewayConfig, nowMs: number): Finding[] {
  const isOver = tokens.every(({ expiresAtMs }) => expiresAtMs !== null && expiresAtMs <= nowMs);
  if (tokens.length === 0 || !isOver) return [];
  return [{ path: ['auth', 'tokens'], message: 'every token has expired: nothing is let in; add a token' }];
}
