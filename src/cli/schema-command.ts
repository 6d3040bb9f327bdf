/** The command that prints the JSON Schema of the configuration. */

import { editorJsonSchema } from '../gateway/config/json-schema.ts';
import type { Output } from './output.ts';

export async function schemaCommand(output: Output): Promise<void> {
  await output.write(`${JSON.stringify(editorJsonSchema(), null, 2)}\n`);
}
