/** The configuration that `headgate init` writes: a gateway that runs as it is, and shows what can be
 *  said. */

export const EXAMPLE_CONFIG = `# The configuration of a Headgate gateway.
#
#   headgate validate headgate.yaml    says what is wrong with it, and where
#   headgate test headgate.yaml        tries the examples at its end
#   headgate run headgate.yaml         runs it
#
# What is left out has its default; docs/configuration.md lists everything. For completion in an editor:
#   headgate schema > headgate.schema.json
# yaml-language-server: $schema=headgate.schema.json

storage:
  path: headgate.db # seen from the folder of this file
  retention:
    records: { ageMsMax: 604800000 } # seven days

# Where records come from. These two make their own, so that there is something to see.
sources:
  oven:
    type: simulated
    intervalMs: 500
    value: '{ "sensor": "oven-1", "fahrenheit": 380.0 + random * 40.0 }'
  freezer:
    type: simulated
    intervalMs: 1000
    failRate: 0.05
    value: '{ "sensor": "freezer-1", "fahrenheit": -4.0 + random * 3.0 }'

  # Takes what is posted to /api/ingest/line3:
  line3:
    type: push
    decode: json

  # A broker. Passwords come from the environment, or from a file that only its owner can read:
  # plc-7:
  #   type: mqtt
  #   url: mqtt://127.0.0.1:1883
  #   topics: [plant/#]
  #   username: gateway
  #   password: \${PLC_PASSWORD}
  # meter:
  #   type: http
  #   url: http://10.0.0.7/value
  #   intervalMs: 1000
  #   headers: { authorization: 'file:secrets/meter' }

# What is done with each record before it is stored, in this order; docs/expressions.md tells more.
stages:
  - name: plausible
    filter: '!has(record.data.fahrenheit) || record.data.fahrenheit > -459.67'
  - name: celsius
    transform: >-
      has(record.data.fahrenheit)
      ? {"sensor": record.data.sensor, "celsius": (record.data.fahrenheit - 32) / 1.8}
      : record.data

limits:
  global: { recordsPerSecondMax: 5000, policy: delay }

# An alert when more than so many records come in so short a time.
burst: { thresholdRecords: 200, windowMs: 1000 }

# Where records go. Each sink reads what is stored at its own pace, and goes on where it was after a restart.
sinks:
  archive:
    type: file
    path: headgate-records.ndjson
    rotate: { bytesMax: 67108864, keepFiles: 10 }
  # cloud:
  #   type: http
  #   url: https://example.org/ingest
  #   auth: { bearer: 'file:secrets/cloud-token' }
  #   filter: 'record.data.celsius > 200'

http:
  host: 127.0.0.1 # another one takes tokens (auth) and tls
  port: 8484

logging: { level: info, format: json }

# Tried by "headgate test": what goes in, and what must come out.
examples:
  - name: Fahrenheit becomes Celsius
    input:
      - { id: oven, data: { sensor: oven-1, fahrenheit: 212 } }
    expect:
      - { data: { sensor: oven-1, celsius: 100 } }
  - name: what is colder than cold is left out, and what has no temperature passes
    input:
      - { id: oven, data: { sensor: oven-1, fahrenheit: -1000 } }
      - { id: line3, data: { sensor: door, open: true } }
    expect:
      - { data: { sensor: door, open: true } }
`;
