#!/usr/bin/env node
/** The command `headgate`. Everything but the version check is imported late and by name, so that an old Node
 *  can still read this file and say what it lacks. */

async function run(): Promise<void> {
  await import('../node-version.ts');
  const { main } = await import('./program.ts');
  const exitCode = await main(process.argv.slice(2));
  if (exitCode !== 0) process.exitCode = exitCode;
}

run().catch((error: unknown) => {
  process.stderr.write(`headgate: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
