/** Examples of the reference of the configuration: of each section, and of each kind of source and sink. All
 *  of them are valid; test/gateway/config/reference.test.ts holds them to that. */

/** By the heading they stand under. */
export const CONFIGURATION_EXAMPLES: Readonly<Record<string, string>> = {
  engine: `engine:
  seed: 1
  stopDeadlineMs: 15000
  health: { intervalMs: 5000 }`,
  storage: `storage:
  path: /var/lib/headgate/edge.db
  records: { keep: true, bytesMax: 262144 }
  commit: { rowsMax: 2000, ageMs: 10 }
  retention:
    records: { ageMsMax: 2592000000 } # thirty days
    timeline: { ageMsMax: 31536000000, archiveFolder: archive }
    fileBytesMax: 4294967296`,
  'sources: mqtt': `sources:
  plc-7:
    type: mqtt
    url: mqtt://10.0.0.5:1883
    topics:
      - plant/line1/#
      - { topic: plant/alarms, qos: 2 }
    qos: 1
    clean: false # the broker keeps what is published while the gateway is away
    clientId: gateway-north
    username: gateway
    password: \${PLC_PASSWORD}
    dedupKey: record.data.topic + ":" + string(record.data.payload.n)
    required: true`,
  'sources: http': `sources:
  meter:
    type: http
    url: http://10.0.0.7/value
    intervalMs: 1000
    headers: { authorization: '\${METER_AUTHORIZATION}' }
    breaker: { failures: 20, coolDownMs: 60000 }`,
  'sources: file': `sources:
  log:
    type: file
    path: /var/log/boiler.ndjson
    format: ndjson
    mode: tail`,
  'sources: websocket': `sources:
  scada:
    type: websocket
    url: wss://10.0.0.9/feed
    subscribe: '{"topic":"all"}'
    outlet: { capacityRecords: 10000, overflow: spill }`,
  'sources: push': `sources:
  line3:
    type: push
    decode: csv
    rateLimit: { recordsPerSecondMax: 500, policy: delay }`,
  'sources: simulated': `sources:
  oven:
    type: simulated
    intervalMs: 500
    value: '{ "celsius": 200.0 + random * 20.0, "n": n }'`,
  'sources: module': `sources:
  own:
    type: module
    module: ./sources.js#canSource
    options: { channel: can0 }`,
  stages: `stages:
  - name: plausible
    filter: record.data.celsius > -273.15
  - set: { fahrenheit: record.data.celsius * 1.8 + 32 }
  - drop: [raw, debug]
  - queue: { name: normalised, capacityRecords: 1000, overflow: block }
  - transform: '{"line": record.id, "reading": record.data}'
  - module: ./stages.js#enrich`,
  limits: `limits:
  global: { recordsPerSecondMax: 5000, policy: delay }
  perSource: { recordsPerSecondMax: 500, policy: drop }`,
  burst: `burst:
  thresholdRecords: 30
  windowMs: 500
  realertMs: 5000`,
  'sinks: file': `sinks:
  archive:
    type: file
    path: /var/lib/headgate/records.ndjson
    rotate: { bytesMax: 67108864, keepFiles: 20 }`,
  'sinks: http': `sinks:
  cloud:
    type: http
    url: https://example.org/ingest
    auth: { bearer: '\${CLOUD_TOKEN}' }
    compress: gzip
    filter: record.data.celsius > 80
    batch: { rowsMax: 1000, lingerMs: 1000 }`,
  'sinks: mqtt': `sinks:
  plant:
    type: mqtt
    url: mqtt://10.0.0.5
    topic: gateway/{sourceId}/{data.sensor}
    qos: 1`,
  'sinks: jetstream': `sinks:
  hub:
    type: jetstream
    servers: [nats://10.0.0.6:4222]
    subject: plant.{sourceId}
    stream: { name: PLANT, create: { subjects: [plant.>] } }`,
  'sinks: function': `sinks:
  warehouse:
    type: function
    deliver: ./sinks.js#intoWarehouse`,
  'sinks: module': `sinks:
  own:
    type: module
    module: ./sinks.js#kafkaSink
    options: { brokers: ['10.0.0.8:9092'] }`,
  removed: `removed:
  sources: [boiler, acme/press] # tenant/id for those of another tenant
  sinks: [cloud]`,
  http: `http:
  host: 0.0.0.0
  port: 8484
  allowPlaintext: true # behind a proxy that speaks TLS
  allowedHosts: [gateway.example]
  limits: { ingestBytesMax: 67108864 }
auth:
  tokens:
    - { name: scada, hash: 'sha256:${'0'.repeat(64)}', scopes: [read] }`,
  auth: `auth:
  tokens:
    - name: line-3
      hash: sha256:${'a'.repeat(64)}
      scopes: [ingest]
      sources: [line3]
      expiresAt: 2030-01-01`,
  logging: `logging:
  level: warn
  format: json`,
  control: `control:
  mqtt:
    url: mqtt://127.0.0.1
    topic: site/gateway/control
    replyTopic: site/gateway/answers`,
  metrics: `metrics:
  otlp:
    url: http://127.0.0.1:4318/v1/metrics
    intervalMs: 30000`,
  examples: `stages:
  - filter: record.data.celsius > 0
examples:
  - name: frost is left out
    input:
      - { data: { celsius: -1 } }
      - { data: { celsius: 20 } }
      - { data: { kelvin: 300 } }
    expect:
      - { data: { celsius: 20 } }
      - { poison: 'no such key: celsius' }`,
};
