/** Which folder may import what. The table of ARCHITECTURE.md, as data. */

export interface Layer {
  /** The folder or file it stands for; the longest one that fits a path counts. */
  readonly path: string;
  /** Folders and files of the project it may import, beside itself. */
  readonly files: readonly string[];
  /** Packages it may import. `node:` stands for all of Node; `*` for any declared package. */
  readonly packages: readonly string[];
}

const SRC_BELOW_CLI = ['src', 'machines', 'actors', 'storage'];

/** The engine as a gateway embeds it. */
const ENGINE = [
  'src/domain',
  'src/config',
  'src/pipeline',
  'src/index.ts',
  'src/engine/engine.ts',
  'src/engine/engine-report.ts',
  'src/engine/engine-stats.ts',
  'src/version.ts',
  'src/platform/real-clock.ts',
];

export const LAYERS: readonly Layer[] = [
  { path: 'src/domain', files: [], packages: [] },
  { path: 'src/timing', files: ['src/domain'], packages: [] },
  { path: 'src/platform', files: ['src/domain', 'src/timing'], packages: ['node:'] },
  { path: 'src/config', files: ['src/domain'], packages: ['zod'] },
  { path: 'src/pipeline', files: ['src/domain', 'src/config'], packages: ['rxjs', 'zod'] },
  {
    path: 'src/pipeline/decode',
    files: ['src/domain', 'src/config', 'src/pipeline'],
    packages: ['rxjs', 'csv-parse'],
  },
  { path: 'machines', files: ['src/domain'], packages: ['xstate'] },
  { path: 'storage', files: ['src/domain'], packages: ['better-sqlite3', 'node:'] },
  // The composition root of the thread that writes the database: it brings the real clock.
  {
    path: 'storage/worker/store-worker.ts',
    files: ['src/domain', 'src/platform/real-clock.ts', 'storage'],
    packages: ['node:'],
  },
  {
    path: 'actors',
    files: ['src/domain', 'src/config', 'src/pipeline', 'machines', 'storage/event-store.ts'],
    packages: [
      'xstate',
      'rxjs',
      'zod',
      'mqtt',
      'mqtt-packet',
      'ws',
      'node:',
      'csv-stringify',
      '@nats-io/transport-node',
      '@nats-io/jetstream',
    ],
  },
  {
    path: 'src/engine',
    files: [
      'src/domain',
      'src/timing',
      'src/platform',
      'src/config',
      'src/pipeline',
      'src/version.ts',
      'machines',
      'actors',
      'storage',
    ],
    packages: ['xstate', 'rxjs', 'zod', 'pino', 'node:'],
  },
  // The configuration of a gateway: it knows the kinds of sources and sinks, and nothing of HTTP.
  {
    path: 'src/gateway/config',
    files: [...ENGINE, 'src/gateway/gateway-control.ts', 'machines', 'actors', 'storage'],
    packages: ['*', 'node:'],
  },
  {
    path: 'src/http',
    files: [...ENGINE, 'src/gateway/gateway-control.ts', 'src/gateway/config', 'storage', 'actors'],
    packages: ['*', 'node:'],
  },
  { path: 'src/metrics', files: [...ENGINE], packages: ['*', 'node:'] },
  { path: 'src/testing', files: SRC_BELOW_CLI, packages: ['*', 'node:'] },
  { path: 'src', files: SRC_BELOW_CLI, packages: ['*', 'node:'] },
  { path: 'src/cli', files: SRC_BELOW_CLI, packages: ['*', 'node:'] },
  { path: 'demos', files: ['src/index.ts', 'src/testing.ts'], packages: ['*', 'node:'] },
  { path: 'bench', files: [...SRC_BELOW_CLI, 'demos', 'test/support'], packages: ['*', 'node:'] },
  { path: 'test', files: [...SRC_BELOW_CLI, 'demos', 'bench'], packages: ['*', 'node:'] },
];

/** Parts of a folder that others in the tree may not reach into although they may import the folder. */
const PRIVATE_PARTS: readonly { readonly path: string; readonly onlyFrom: readonly string[] }[] = [
  { path: 'src/gateway', onlyFrom: ['src/gateway', 'src/http', 'src/cli', 'test', 'bench'] },
  { path: 'src/cli', onlyFrom: ['src/cli', 'test', 'bench'] },
  { path: 'src/testing', onlyFrom: ['src/testing', 'src/testing.ts', 'src/cli', 'test', 'bench'] },
];

export function within(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}

export function layerOf(path: string): Layer | undefined {
  return LAYERS.filter((layer) => within(path, layer.path)).sort((a, b) => b.path.length - a.path.length)[0];
}

export function mayImportFile(from: string, target: string): boolean {
  const layer = layerOf(from);
  if (layer === undefined) return true;
  const shut = PRIVATE_PARTS.find((part) => within(target, part.path));
  if (shut !== undefined && !shut.onlyFrom.some((folder) => within(from, folder))) return false;
  return layerOf(target) === layer || layer.files.some((folder) => within(target, folder));
}

export function mayImportPackage(from: string, name: string): boolean {
  const layer = layerOf(from);
  if (layer === undefined) return true;
  if (name.startsWith('node:')) return layer.packages.includes('node:');
  return layer.packages.includes('*') || layer.packages.includes(name);
}
