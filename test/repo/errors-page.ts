/** The page docs/errors.md, made of the codes in the code. Where they have changed:
 *  `npx node test/repo/errors-page.ts > docs/errors.md`. */

import { EXIT_CODES, exitReasonOf } from '../../src/cli/exit-codes.ts';
import { ERROR_CODES, type ErrorCode } from '../../src/domain/error-codes.ts';

const ERRORS_INTRODUCTION = `# Errors

Every error that Headgate raises on purpose is a \`HeadgateError\` with a \`code\`, a message that says what to do, a
\`remedy\`, and \`details\` (field names, limits, ids; never secrets).

The remedy is what the engine does next. \`retry\`: it tries again after a wait. \`drop\`: it gives up this item and carries
on. \`stop\`: the part that failed ends, since trying again cannot help. A single error may carry another remedy than its
row here. The exit code is that of the command line where the error ends a command.

| code | remedy | exit code | meaning |
|---|---|---|---|`;

export function errorsPage(): string {
  const rows = (Object.keys(ERROR_CODES) as ErrorCode[]).map((code) => {
    const { remedy, meaning } = ERROR_CODES[code];
    return `| \`${code}\` | ${remedy} | ${EXIT_CODES[exitReasonOf(code)].code} | ${meaning} |`;
  });
  return `${ERRORS_INTRODUCTION}\n${rows.join('\n')}\n`;
}

if (import.meta.main) process.stdout.write(errorsPage());
