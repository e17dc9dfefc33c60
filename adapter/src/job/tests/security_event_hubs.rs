//! Every fault of an output to Event Hubs with the text that a person reads.

use super::{check, check_output};

#[test]
fn event_hubs_takes_one_protocol() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: contoso.servicebus.windows.net:9093
    securityProtocol: mTLS
    clientCertificate: { file: c }
",
        "
job.yaml:6:23: error[CONFLICT]: Event Hubs takes `SASL_SSL` alone, but line 6 says `securityProtocol: mTLS`
 6 |     securityProtocol: mTLS
   |                       ^^^^
   = help: write `securityProtocol: SASL_SSL`, or take it out
",
    );
}

#[test]
fn event_hubs_needs_a_login() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: contoso.servicebus.windows.net:9093
",
        "
job.yaml:3:5: error[MISSING_KEY]: Event Hubs needs `sasl`, which is not there
 3 |   - alias: a
   |     ^
   = help: add `sasl: { mechanism: OAUTHBEARER }` for the job's `identity`, or `sasl: { mechanism: PLAIN, password: { secret: NAME } }` for a connection string
",
    );
}

#[test]
fn event_hubs_takes_no_scram() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: contoso.servicebus.windows.net:9093
    sasl: { mechanism: SCRAM-SHA-256, username: u, password: { env: P } }
",
        "
job.yaml:6:24: error[CONFLICT]: Event Hubs takes `OAUTHBEARER` and `PLAIN` alone, but line 6 says `mechanism: SCRAM-SHA-256`
 6 |     sasl: { mechanism: SCRAM-SHA-256, username: u, password: { env: **** } }
   |                        ^^^^^^^^^^^^^
   = help: write `mechanism: OAUTHBEARER` for the job's `identity`, or `PLAIN` for a connection string
",
    );
}

#[test]
fn event_hubs_has_one_user_name() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: contoso.servicebus.windows.net:9093
    sasl: { mechanism: PLAIN, username: u, password: { env: P } }
",
        "
job.yaml:6:41: error[CONFLICT]: `username` is of no use for Event Hubs, which has one for all
 6 |     sasl: { mechanism: PLAIN, username: u, password: { env: **** } }
   |                                         ^
   = help: take it out, or write `username: $ConnectionString`
",
    );
}

#[test]
fn a_connection_string_is_a_password() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: contoso.servicebus.windows.net:9093
    sasl: { mechanism: PLAIN }
",
        "
job.yaml:6:5: error[MISSING_KEY]: `sasl` has no `password`
 6 |     sasl: { mechanism: PLAIN }
   |     ^^^^
   = help: add `password: { secret: NAME }`
",
    );
}

#[test]
fn event_hubs_listens_on_one_port() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: [contoso.servicebus.windows.net:9093, contoso.servicebus.windows.net:9092]
    sasl: { mechanism: PLAIN, password: { env: P } }
",
        "
job.yaml:5:61: error[INVALID_VALUE]: `bootstrapServers` holds `contoso.servicebus.windows.net:9092`, but Event Hubs listens on port 9093
 5 |     bootstrapServers: [contoso.servicebus.windows.net:9093, contoso.servicebus.windows.net:9092]
   |                                                             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   = help: write `contoso.servicebus.windows.net:9093`
",
    );
}

#[test]
fn event_hubs_takes_one_codec() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: contoso.servicebus.windows.net:9093
    sasl: { mechanism: PLAIN, password: { env: P } }
    compression: { type: Zstd }
",
        "
job.yaml:7:26: error[CONFLICT]: `Zstd` is refused by Event Hubs, which takes no codec but `Gzip`
 7 |     compression: { type: Zstd }
   |                          ^^^^
   = help: write `type: Gzip` (of the tiers Premium and Dedicated) or `type: None`
",
    );
}

#[test]
fn what_is_too_much_for_event_hubs_is_refused() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9093
    profile: EventHubs
    securityProtocol: SASL_SSL
    sasl: { mechanism: PLAIN, password: { env: P } }
    socketTimeout: 6s
    batching: { bytes: 1 MiB }
    packing: { bytes: 2 MB }
    librdkafka:
      connections.max.idle.ms: 0
      metadata.max.age.ms: 240000
      request.timeout.ms: 20000
",
        "
job.yaml:9:20: error[OUT_OF_RANGE]: `socketTimeout` is 6s, but Event Hubs may take 20s to answer
 9 |     socketTimeout: 6s
   |                    ^^
   = help: write at least `20s`, or take it out to have 60s
job.yaml:10:24: error[OUT_OF_RANGE]: `bytes` is 1 MiB, but Event Hubs closes the connection on a request of more than 1 MB
 10 |     batching: { bytes: 1 MiB }
    |                        ^^^^^
    = help: write at most `1 MB`, the default
job.yaml:11:23: error[OUT_OF_RANGE]: `bytes` is 2 MB, but Event Hubs closes the connection on a request of more than 1 MB
 11 |     packing: { bytes: 2 MB }
    |                       ^^^^
    = help: write at most `1 MB`, the default
job.yaml:13:32: error[CONFLICT]: `connections.max.idle.ms` is too long for Azure, which drops idle connections
 13 |       connections.max.idle.ms: 0
    |                                ^
    = help: write from 1 to 239999, such as `180000`, or take it out
job.yaml:14:28: error[CONFLICT]: `metadata.max.age.ms` is too long for Azure, which drops idle connections
 14 |       metadata.max.age.ms: 240000
    |                            ^^^^^^
    = help: write from 1 to 239999, such as `180000`, or take it out
job.yaml:15:27: error[CONFLICT]: `request.timeout.ms` is too short for Event Hubs, which may take 20s
 15 |       request.timeout.ms: 20000
    |                           ^^^^^
    = help: write `60000`, or take it out
6 faults in job.yaml
",
    );
}

#[test]
fn a_scope_is_of_one_namespace() {
    check(
        "
name: j
identity: { type: systemAssigned }
outputs:
  - alias: a
    topic: t
    bootstrapServers: a-b-c.servicebus.windows.net:9093,d-e-f.servicebus.windows.net:9093
    sasl: { mechanism: OAUTHBEARER }
",
        "
job.yaml:7:5: error[MISSING_KEY]: `OAUTHBEARER` needs `token`, which is not there
 7 |     sasl: { mechanism: OAUTHBEARER }
   |     ^^^^
   = help: add `token: { scope: SCOPE }` for the job's `identity`, or `token: { endpoint: URL, clientId: ID, clientSecret: { secret: NAME } }`
",
    );
}

#[test]
fn a_profile_is_one_of_two() {
    check_output(
        "
    profile: Eventhub
",
        "
job.yaml:6:14: error[UNKNOWN_VALUE]: `Eventhub` is not a value of `profile`
 6 |     profile: Eventhub
   |              ^^^^^^^^
   = help: did you mean `EventHubs`? The values are `Kafka` and `EventHubs`
",
    );
}

#[test]
fn a_login_at_event_hubs_needs_an_identity() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: contoso.servicebus.windows.net:9093
    sasl: { mechanism: OAUTHBEARER }
",
        "
job.yaml:6:24: error[MISSING_KEY]: tokens without an `endpoint` are of the job's `identity`, which is not there
 6 |     sasl: { mechanism: OAUTHBEARER }
   |                        ^^^^^^^^^^^
   = help: add `identity: { type: systemAssigned }` at the top of the file, or `endpoint`, `clientId` and `clientSecret` under `token`
",
    );
}

#[test]
fn a_default_codec_is_refused_where_it_stands() {
    check(
        "
name: j
defaults: { compression: { type: Lz4 } }
outputs:
  - { alias: a, topic: t, bootstrapServers: 'contoso.servicebus.chinacloudapi.cn:9093', sasl: { mechanism: PLAIN, password: { env: P } } }
",
        "
job.yaml:2:34: error[CONFLICT]: `Lz4` is refused by Event Hubs, which takes no codec but `Gzip`
 2 | defaults: { compression: { type: Lz4 } }
   |                                  ^^^
   = help: write `type: Gzip` (of the tiers Premium and Dedicated) or `type: None`
",
    );
}
