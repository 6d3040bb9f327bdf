/** Node-RED without editor, credentials or a name on the network. What the last function node calls to tell how
 *  many messages came through is in its global context. */

const { BENCH_MESSAGES, BENCH_WARM_UP, BENCH_USER_DIR } = process.env;

let beganMs = 0;

module.exports = {
  userDir: BENCH_USER_DIR,
  flowFile: 'flow.json',
  httpAdminRoot: false,
  httpNodeRoot: false,
  credentialSecret: false,
  uiHost: '127.0.0.1',
  uiPort: 0,
  externalModules: { autoInstall: false, palette: { allowInstall: false }, modules: { allowInstall: false } },
  telemetry: { enabled: false },
  logging: { console: { level: 'info', metrics: false, audit: false } },
  functionGlobalContext: {
    bench: {
      warmUp: Number(BENCH_WARM_UP),
      all: Number(BENCH_MESSAGES),
      began() {
        beganMs = performance.now();
      },
      ended() {
        process.stdout.write(`\nbench: ${performance.now() - beganMs} ms\n`);
      },
    },
  },
};
