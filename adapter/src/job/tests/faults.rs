//! Every kind of fault with the text that a person reads.

use super::{check, check_output, faults, job, with_output};

#[test]
fn an_empty_file_says_how_to_begin() {
    check(
        "
# nothing yet
",
        "
job.yaml: error[FILE_EMPTY]: the job file is empty
 = help: begin with `name:` and `outputs:`, or copy examples/job.yaml
",
    );
}

#[test]
fn a_text_that_is_no_map_says_how_to_begin() {
    check(
        "
- alias: a
",
        "
job.yaml:1:1: error[WRONG_TYPE]: the job file must be a map, but is a list
 1 | - alias: a
   | ^
   = help: begin with `name:` and `outputs:`
",
    );
}

#[test]
fn broken_yaml_is_shown_where_it_breaks() {
    check(
        "
name: j
outputs:
  - alias: a
     topic: t
",
        "
job.yaml:4:11: error[YAML_SYNTAX]: a `:` stands where no key can begin
 4 |      topic: t
   |           ^
   = help: check the indentation of this line and the one above; a text with `: ` in it needs quotes
",
    );
}

#[test]
fn a_second_document_is_refused() {
    check(
        "
name: j
---
name: k
",
        "
job.yaml:3:1: error[YAML_SYNTAX]: a second YAML document begins here
 3 | name: k
   | ^
   = help: a job file is one document: take out the line `---`, or split the file
",
    );
}

#[test]
fn an_unknown_tag_is_refused() {
    check(
        "
name: !upper j
",
        "
job.yaml:1:14: error[YAML_SYNTAX]: the value has a YAML tag, which job files do not use
 1 | name: !upper j
   |              ^
   = help: take out the word that begins with `!`, or put quotes around the value
",
    );
}

#[test]
fn a_template_that_was_not_filled_in_is_no_key() {
    check(
        "
name: {{ name }}
",
        "
job.yaml:1:8: error[YAML_SYNTAX]: a key is not plain text
 1 | name: {{ name }}
   |        ^
   = help: write keys as words; text with `{` or `[` at its beginning needs quotes
",
    );
}

#[test]
fn a_key_given_twice_names_the_first() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    topic: u
",
        "
job.yaml:6:5: error[DUPLICATE_KEY]: `topic` is given twice
 6 |     topic: u
   |     ^^^^^
   = help: it is already on line 4; take one of the two out
",
    );
}

#[test]
fn an_unknown_key_names_the_nearest() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrap.servers: kafka:9092
",
        "
job.yaml:5:5: error[UNKNOWN_KEY]: `bootstrap.servers` is not a key of `outputs[0]`
 5 |     bootstrap.servers: kafka:9092
   |     ^^^^^^^^^^^^^^^^^
   = help: did you mean `bootstrapServers`?
",
    );
}

#[test]
fn an_unknown_key_that_belongs_elsewhere_says_where() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    linger: 5ms
",
        "
job.yaml:6:5: error[UNKNOWN_KEY]: `linger` is not a key of `outputs[0]`
 6 |     linger: 5ms
   |     ^^^^^^
   = help: its place is `outputs[].batching.linger`
",
    );
}

#[test]
fn a_name_in_an_output_belongs_to_the_top() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    name: x
",
        "
job.yaml:6:5: error[UNKNOWN_KEY]: `name` is not a key of `outputs[0]`
 6 |     name: x
   |     ^^^^
   = help: its place is at the top of the file, `outputs[].serialization.name` or `outputs[].writers[].name`
",
    );
}

#[test]
fn an_unknown_key_like_no_other_lists_what_is_there() {
    check(
        "
name: j
listen:
  http: 80
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
",
        "
job.yaml:3:3: error[UNKNOWN_KEY]: `http` is not a key of `listen`
 3 |   http: ****
   |   ^^^^
   = help: the keys here are `admin` and `grpc`
",
    );
}

#[test]
fn a_raw_setting_that_is_allowed_has_its_place() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    client.id: x
",
        "
job.yaml:6:5: error[UNKNOWN_KEY]: `client.id` is not a key of `outputs[0]`
 6 |     client.id: x
   |     ^^^^^^^^^
   = help: its place is `outputs[].librdkafka`
",
    );
}

#[test]
fn a_raw_setting_outside_its_map_names_the_key_that_does_it() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    queue.buffering.max.ms: 5
",
        "
job.yaml:6:5: error[UNKNOWN_KEY]: `queue.buffering.max.ms` is not a key of `outputs[0]`
 6 |     queue.buffering.max.ms: 5
   |     ^^^^^^^^^^^^^^^^^^^^^^
   = help: use the key `batching.linger` of the output instead
",
    );
}

#[test]
fn keys_that_defaults_cannot_lend_say_their_place() {
    check(
        "
name: j
defaults:
  topic: t
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
",
        "
job.yaml:3:3: error[UNKNOWN_KEY]: `topic` is not a key of `defaults`
 3 |   topic: t
   |   ^^^^^
   = help: its place is `outputs[].deadLetter.topic`, `outputs[].progress.topic` or `outputs[].topic`
",
    );
}

#[test]
fn missing_keys_are_shown_at_their_map() {
    check(
        "
listen:
  grpc:
    reflection: true
outputs:
  - topic: t
",
        "
job.yaml:1:1: error[MISSING_KEY]: the job file has no `name`
 1 | listen:
   | ^
   = help: add `name: flights`
job.yaml:5:5: error[MISSING_KEY]: `outputs[0]` has no `alias`
 5 |   - topic: t
   |     ^
   = help: add `alias: delays`
job.yaml:5:5: error[MISSING_KEY]: `outputs[0]` has no `bootstrapServers`
 5 |   - topic: t
   |     ^
   = help: add `bootstrapServers: kafka-1:9092` here, or in `defaults` for all outputs
3 faults in job.yaml
",
    );
}

#[test]
fn a_job_without_outputs_is_told_what_one_is() {
    check(
        "
name: j
outputs: []
",
        "
job.yaml:2:1: error[OUT_OF_RANGE]: `outputs` is empty
 2 | outputs: []
   | ^^^^^^^
   = help: write at least one, such as `- alias: delays` and its other keys below
",
    );
}

#[test]
fn text_is_not_a_number() {
    check(
        r#"
name: j
listen:
  grpc:
    maxWriters: "200"
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
"#,
        r#"
job.yaml:4:17: error[WRONG_TYPE]: `maxWriters` must be a whole number, but is the text `200`
 4 |     maxWriters: "200"
   |                 ^^^^^
   = help: write digits, without quotes and without a unit
"#,
    );
}

#[test]
fn a_number_is_not_text() {
    check(
        "
name: 2024
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
",
        "
job.yaml:1:7: error[WRONG_TYPE]: `name` must be text, but is the number 2024
 1 | name: 2024
   |       ^^^^
   = help: put quotes around it, so that YAML takes it for text
",
    );
}

#[test]
fn a_number_is_no_duration() {
    check(
        "
name: j
shutdownTimeout: 25
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
",
        "
job.yaml:2:18: error[WRONG_TYPE]: `shutdownTimeout` must be a duration, but is the number 25
 2 | shutdownTimeout: 25
   |                  ^^
   = help: write `shutdownTimeout: 25s`
",
    );
}

#[test]
fn text_is_no_boolean() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    idempotence: yes
",
        "
job.yaml:6:18: error[WRONG_TYPE]: `idempotence` must be `true` or `false`, but is the text `yes`
 6 |     idempotence: yes
   |                  ^^^
   = help: write `true` or `false`, without quotes
",
    );
}

#[test]
fn a_list_is_no_map() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    batching: [5ms]
",
        "
job.yaml:6:5: error[WRONG_TYPE]: `batching` must be a map, but is a list
 6 |     batching: [5ms]
   |     ^^^^^^^^
   = help: write its keys below it, indented
",
    );
}

#[test]
fn a_map_is_no_list() {
    check(
        "
name: j
outputs:
  alias: a
  topic: t
",
        "
job.yaml:2:1: error[WRONG_TYPE]: `outputs` must be a list, but is a map
 2 | outputs:
   | ^^^^^^^
   = help: write each item below it, after `- `
",
    );
}

#[test]
fn a_key_with_nothing_behind_it_is_a_fault() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    batching:
    acks:
",
        "
job.yaml:6:5: error[WRONG_TYPE]: `batching` has no value
 6 |     batching:
   |     ^^^^^^^^
   = help: write its keys below it, indented, or take `batching` out
job.yaml:7:5: error[WRONG_TYPE]: `acks` has no value
 7 |     acks:
   |     ^^^^
   = help: write `acks: All`, or another value
2 faults in job.yaml
",
    );
}

#[test]
fn a_fraction_is_no_whole_number() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    batching: { rows: 1.5 }
",
        "
job.yaml:6:23: error[WRONG_TYPE]: `rows` must be a whole number, but is the number 1.5
 6 |     batching: { rows: 1.5 }
   |                       ^^^
   = help: write digits, without quotes and without a unit
",
    );
}

#[test]
fn a_value_in_the_wrong_case_names_the_right_one() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    compression: { type: LZ4 }
",
        "
job.yaml:6:26: error[UNKNOWN_VALUE]: `LZ4` is not a value of `type`
 6 |     compression: { type: LZ4 }
   |                          ^^^
   = help: did you mean `Lz4`? The values are `None`, `Gzip`, `Snappy`, `Lz4` and `Zstd`
",
    );
}

#[test]
fn an_unknown_value_lists_the_known_ones() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    acks: Two
",
        "
job.yaml:6:11: error[UNKNOWN_VALUE]: `Two` is not a value of `acks`
 6 |     acks: Two
   |           ^^^
   = help: the values are `All`, `One` and `Zero`
",
    );
}

#[test]
fn an_only_value_is_named() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    partitioning: { strategy: maybe }
",
        "
job.yaml:6:31: error[UNKNOWN_VALUE]: `maybe` is not a value of `strategy`
 6 |     partitioning: { strategy: maybe }
   |                               ^^^^^
   = help: the only value is `roundRobin`
",
    );
}

#[test]
fn a_guarantee_that_acks_cannot_keep_is_told() {
    let told = |keys: &str, says: &str| {
        let job = format!(
            "name: j\noutputs:\n  - {{ alias: a, topic: t, bootstrapServers: k:9092, {keys} }}\n"
        );
        let told = super::super::parse("job.yaml", &job).unwrap_err().to_string();
        assert!(told.contains("error[CONFLICT]") && told.contains(says), "{told}");
    };
    told("guarantee: bestEffort", "is for `acks` One or Zero");
    told("guarantee: atLeastOnce, acks: One", "needs `acks: All`");
    told("guarantee: exactlyOnce, acks: Zero", "needs `acks: All`");
    told("guarantee: exactlyOnce, idempotence: false", "needs `idempotence: true`");
}

#[test]
fn numbers_stay_in_their_range() {
    check(
        "
name: j
listen:
  grpc:
    maxWriters: 0
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    partitioning: { turn: { rows: 1000001 } }
",
        "
job.yaml:4:17: error[OUT_OF_RANGE]: `maxWriters` is 0, which is out of its range
 4 |     maxWriters: 0
   |                 ^
   = help: write a whole number from 1 to 100000
job.yaml:9:35: error[OUT_OF_RANGE]: `rows` is 1000001, which is out of its range
 9 |     partitioning: { turn: { rows: 1000001 } }
   |                                   ^^^^^^^
   = help: write a whole number from 1 to 1000000
2 faults in job.yaml
",
    );
}

#[test]
fn connections_may_not_end_as_soon_as_they_come() {
    check(
        "
name: j
listen: { grpc: { connectionAge: 999ms } }
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
",
        "
job.yaml:2:34: error[OUT_OF_RANGE]: `connectionAge` is 999ms, which is out of its range
 2 | listen: { grpc: { connectionAge: 999ms } }
   |                                  ^^^^^
   = help: write at least 1s
",
    );
}

#[test]
fn durations_and_sizes_stay_in_their_range() {
    check(
        "
name: j
memory: 8 MiB
maxBatchSize: 65 MiB
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    socketTimeout: 50ms
    batching: { linger: 2m }
",
        "
job.yaml:2:9: error[OUT_OF_RANGE]: `memory` is 8 MiB, which is out of its range
 2 | memory: 8 MiB
   |         ^^^^^
   = help: write at least 16 MiB
job.yaml:3:15: error[OUT_OF_RANGE]: `maxBatchSize` is 65 MiB, which is out of its range
 3 | maxBatchSize: 65 MiB
   |               ^^^^^^
   = help: write at most 64 MiB
job.yaml:8:20: error[OUT_OF_RANGE]: `socketTimeout` is 50ms, which is out of its range
 8 |     socketTimeout: 50ms
   |                    ^^^^
   = help: write at least 100ms
job.yaml:9:25: error[OUT_OF_RANGE]: `linger` is 2m, which is out of its range
 9 |     batching: { linger: 2m }
   |                         ^^
   = help: write at most 1m
4 faults in job.yaml
",
    );
}

#[test]
fn units_are_named() {
    check(
        "
name: j
memory: 512M
shutdownTimeout: 25 sec
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
",
        "
job.yaml:2:9: error[INVALID_VALUE]: `memory` is a byte size in a unit that is not known
 2 | memory: 512M
   |         ^^^^
   = help: write `512 MiB` (powers of 1024) or `512 MB` (of 1000)
job.yaml:3:18: error[INVALID_VALUE]: `shutdownTimeout` is a duration in a unit that is not known, `sec`
 3 | shutdownTimeout: 25 sec
   |                  ^^^^^^
   = help: write `25s`; the units are `ms`, `s`, `m` and `h`
2 faults in job.yaml
",
    );
}

#[test]
fn names_are_what_kafka_takes() {
    check(
        "
name: my job
outputs:
  - alias: ä
    topic: ..
    bootstrapServers: kafka:9092
",
        "
job.yaml:1:7: error[INVALID_VALUE]: `name` is not a name for a job: it may not hold a space
 1 | name: my job
   |       ^^^^^^
   = help: use only the letters A to Z and a to z, digits, `.`, `_` and `-`
job.yaml:3:12: error[INVALID_VALUE]: `alias` is not a name for an output: it may not hold `ä`
 3 |   - alias: ä
   |            ^
   = help: use only the letters A to Z and a to z, digits, `.`, `_` and `-`
job.yaml:4:12: error[INVALID_VALUE]: `topic` is not a Kafka topic name: Kafka keeps `.` and `..` for itself
 4 |     topic: ..
   |            ^^
   = help: choose another name
3 faults in job.yaml
",
    );
}

#[test]
fn brokers_are_named_one_by_one() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka-1, kafka-2:9092,
  - alias: b
    topic: t
    bootstrapServers:
      - kafka-1:9092
      - SSL://kafka-2:9092
",
        "
job.yaml:5:23: error[INVALID_VALUE]: `bootstrapServers` holds `kafka-1`, which is not the address of a broker: it has no port
 5 |     bootstrapServers: kafka-1, kafka-2:9092,
   |                       ^^^^^^^^^^^^^^^^^^^^^^
   = help: write `host:port`, such as `kafka-1:9092`
job.yaml:5:23: error[INVALID_VALUE]: `bootstrapServers` holds an empty entry
 5 |     bootstrapServers: kafka-1, kafka-2:9092,
   |                       ^^^^^^^^^^^^^^^^^^^^^^
   = help: take the comma out, or add the broker
job.yaml:10:9: error[INVALID_VALUE]: `bootstrapServers` holds `SSL://kafka-2:9092`, which is not the address of a broker: it begins with a protocol
 10 |       - SSL://kafka-2:9092
    |         ^^^^^^^^^^^^^^^^^^
    = help: write `host:port`; `securityProtocol` says the protocol
3 faults in job.yaml
",
    );
}

#[test]
fn an_address_to_listen_on_is_numeric() {
    check(
        "
name: j
listen:
  grpc:
    address: localhost:7070
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
",
        "
job.yaml:4:14: error[INVALID_VALUE]: `address` is not an address to listen on
 4 |     address: localhost:7070
   |              ^^^^^^^^^^^^^^
   = help: write `127.0.0.1:7070`
",
    );
}

#[test]
fn plaintext_beyond_loopback_must_be_asked_for() {
    check(
        "
name: j
listen:
  grpc:
    address: 0.0.0.0:7070
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
",
        "
job.yaml:4:14: error[PLAINTEXT_NOT_ALLOWED]: 0.0.0.0:7070 can be reached by other machines, without encryption
 4 |     address: 0.0.0.0:7070
   |              ^^^^^^^^^^^^
   = help: add `tls`, or listen on 127.0.0.1 or [::1], or set `allowPlaintext: true` beside it if the network is closed
",
    );
}

#[test]
fn a_batch_leaves_memory_for_others() {
    check(
        "
name: j
memory: 16 MiB
maxBatchSize: 4 MiB
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
",
        "
job.yaml:3:15: error[CONFLICT]: `maxBatchSize` is 4 MiB, more than an eighth of `memory`, 16 MiB
 3 | maxBatchSize: 4 MiB
   |               ^^^^^
   = help: write at most 2 MiB, or raise `memory`
",
    );
}

#[test]
fn two_outputs_cannot_share_an_alias() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
",
        "
job.yaml:6:12: error[DUPLICATE_ALIAS]: `a` is already the alias of the output on line 3
 6 |   - alias: a
   |            ^
   = help: give each output an alias of its own
",
    );
}

#[test]
fn an_output_needs_brokers() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
",
        "
job.yaml:3:5: error[MISSING_KEY]: `outputs[0]` has no `bootstrapServers`
 3 |   - alias: a
   |     ^
   = help: add `bootstrapServers: kafka-1:9092` here, or in `defaults` for all outputs
",
    );
}

#[test]
fn idempotence_needs_all_acks() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    acks: One
    idempotence: true
",
        "
job.yaml:7:18: error[CONFLICT]: `idempotence` needs `acks: All`, but `acks` is `One`
 7 |     idempotence: true
   |                  ^^^^
   = help: write `acks: All`, or `idempotence: false`
",
    );
}

#[test]
fn a_level_is_one_of_its_codec() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    compression: { type: Gzip, level: 10 }
",
        "
job.yaml:6:39: error[OUT_OF_RANGE]: `level` is 10, which is out of the range of Gzip
 6 |     compression: { type: Gzip, level: 10 }
   |                                       ^^
   = help: write a whole number from 0 to 9
",
    );
}

#[test]
fn a_codec_without_levels_takes_none() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    compression: { type: Snappy, level: 3 }
",
        "
job.yaml:6:41: error[CONFLICT]: `level` is given, but `Snappy` has no levels
 6 |     compression: { type: Snappy, level: 3 }
   |                                         ^
   = help: take `level` out, or choose the `type` Gzip, Lz4 or Zstd
",
    );
}

#[test]
fn a_login_without_a_protocol_for_it_is_a_conflict() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    sasl:
      mechanism: PLAIN
      username: u
      password: { env: P }
",
        "
job.yaml:6:5: error[CONFLICT]: `sasl` is given, but `securityProtocol` is `None`
 6 |     sasl:
   |     ^^^^
   = help: write `securityProtocol: SASL_SSL`, or `securityProtocol: SASL_PLAINTEXT` where the network is closed; or take `sasl` out
",
    );
}

#[test]
fn a_default_login_that_nobody_uses_is_a_conflict() {
    check(
        "
name: j
defaults:
  sasl: { mechanism: PLAIN, username: u, password: { env: P } }
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
",
        "
job.yaml:3:3: error[CONFLICT]: `sasl` is given, but no output has a `securityProtocol` that uses it
 3 |   sasl: { mechanism: PLAIN, username: u, password: { env: **** } }
   |   ^^^^
   = help: add a `securityProtocol` that uses it, such as `SASL_SSL`, or take it out
",
    );
}

#[test]
fn a_protocol_with_a_login_needs_one() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    securityProtocol: SASL_PLAINTEXT
",
        "
job.yaml:6:23: error[MISSING_KEY]: `SASL_PLAINTEXT` needs `sasl`, which is not there
 6 |     securityProtocol: SASL_PLAINTEXT
   |                       ^^^^^^^^^^^^^^
   = help: add `sasl: { mechanism: PLAIN, username: NAME, password: { secret: NAME } }`
",
    );
}

#[test]
fn a_login_needs_all_its_parts() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    securityProtocol: SASL_PLAINTEXT
    sasl: { mechanism: PLAIN }
",
        "
job.yaml:7:5: error[MISSING_KEY]: `sasl` has no `username`
 7 |     sasl: { mechanism: PLAIN }
   |     ^^^^
   = help: add `username: NAME`
job.yaml:7:5: error[MISSING_KEY]: `sasl` has no `password`
 7 |     sasl: { mechanism: PLAIN }
   |     ^^^^
   = help: add `password: { secret: NAME }`
2 faults in job.yaml
",
    );
}

#[test]
fn a_password_in_clear_text_is_refused_unseen() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    securityProtocol: SASL_PLAINTEXT
    sasl:
      mechanism: PLAIN
      username: u
      password: canary
",
        "
job.yaml:10:17: error[SECRET_IN_CLEAR]: `password` holds a secret in clear text
 10 |       password: ****
    |                 ^^^^
    = help: write `{ secret: NAME }` for a secret in Key Vault, `{ file: PATH }` for a file or `{ env: NAME }` for an environment variable; `{ clearTextForTests: VALUE }` is for tests on this machine alone
",
    );
}

#[test]
fn a_password_needs_exactly_one_place() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    securityProtocol: SASL_PLAINTEXT
    sasl:
      mechanism: PLAIN
      username: u
      password: { env: P, file: /p }
",
        "
job.yaml:10:27: error[CONFLICT]: `password` has both `env` and `file`
 10 |       password: { env: ****, file: **** }
    |                              ^^^^
    = help: keep one of the two
",
    );
}

#[test]
fn a_password_without_a_place_is_told_the_places() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    securityProtocol: SASL_PLAINTEXT
    sasl:
      mechanism: PLAIN
      username: u
      password: {}
",
        "
job.yaml:10:7: error[MISSING_KEY]: `password` does not say where the secret stands
 10 |       password: {}
    |       ^^^^^^^^
    = help: write `{ secret: NAME }` for a secret in Key Vault, `{ file: PATH }` for a file or `{ env: NAME }` for an environment variable; `{ clearTextForTests: VALUE }` is for tests on this machine alone
",
    );
}

#[test]
fn a_variable_has_a_name() {
    check(
        r#"
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    securityProtocol: SASL_PLAINTEXT
    sasl:
      mechanism: PLAIN
      username: u
      password: { env: "my password" }
"#,
        "
job.yaml:10:24: error[INVALID_VALUE]: `env` is not the name of an environment variable
 10 |       password: { env: **** }
    |                        ^^^^
    = help: use letters, digits and `_`, such as `KAFKA_PASSWORD`
",
    );
}

#[test]
fn clear_text_is_for_brokers_on_this_machine() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    securityProtocol: SASL_PLAINTEXT
    sasl:
      mechanism: PLAIN
      username: u
      password: { clearTextForTests: canary }
",
        "
job.yaml:10:7: error[CLEAR_TEXT_NOT_ALLOWED]: `clearTextForTests` is not allowed with the broker `kafka:9092`
 10 |       password: { clearTextForTests: **** }
    |       ^^^^^^^^
    = help: it is for this machine alone; write `{ secret: NAME }`, `{ file: PATH }` or `{ env: NAME }`
",
    );
}

#[test]
fn raw_settings_name_what_to_use_instead() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    librdkafka:
      linger.ms: 5
      queue.buffering.max.kbytes: 1
      message.timeout.ms: 1
      ssl.ca.location: /ca
      client.idd: x
",
        "
job.yaml:7:7: error[SETTING_NOT_ALLOWED]: `linger.ms` may not be set under `librdkafka`
 7 |       linger.ms: ****
   |       ^^^^^^^^^
   = help: use the key `batching.linger` of the output instead
job.yaml:8:7: error[SETTING_NOT_ALLOWED]: `queue.buffering.max.kbytes` may not be set under `librdkafka`
 8 |       queue.buffering.max.kbytes: ****
   |       ^^^^^^^^^^^^^^^^^^^^^^^^^^
   = help: use the key `memory` of the job instead
job.yaml:9:7: error[SETTING_NOT_ALLOWED]: `message.timeout.ms` may not be set under `librdkafka`
 9 |       message.timeout.ms: ****
   |       ^^^^^^^^^^^^^^^^^^
   = help: take it out: rows wait for Kafka without a limit; writers set timeouts of their own
job.yaml:10:7: error[SETTING_NOT_ALLOWED]: `ssl.ca.location` may not be set under `librdkafka`
 10 |       ssl.ca.location: ****
    |       ^^^^^^^^^^^^^^^
    = help: use the key `truststore` of the output instead
job.yaml:11:7: error[SETTING_NOT_ALLOWED]: `client.idd` may not be set under `librdkafka`
 11 |       client.idd: ****
    |       ^^^^^^^^^^
    = help: did you mean `client.id`?
5 faults in job.yaml
",
    );
}

#[test]
fn raw_settings_are_checked() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    librdkafka:
      broker.address.family: v5
      metadata.max.age.ms: 0
",
        "
job.yaml:7:30: error[INVALID_VALUE]: `broker.address.family` has a value that librdkafka does not take
 7 |       broker.address.family: v5
   |                              ^^
   = help: write `any`, `v4` or `v6`
job.yaml:8:28: error[INVALID_VALUE]: `metadata.max.age.ms` has a value that librdkafka does not take
 8 |       metadata.max.age.ms: 0
   |                            ^
   = help: write a whole number from 1 to 86400000
2 faults in job.yaml
",
    );
}

#[test]
fn a_raw_setting_like_no_other_lists_what_is_allowed() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    librdkafka: { topic.blacklist: x }
",
        "
job.yaml:6:19: error[SETTING_NOT_ALLOWED]: `topic.blacklist` may not be set under `librdkafka`
 6 |     librdkafka: { topic.blacklist: **** }
   |                   ^^^^^^^^^^^^^^^
   = help: the settings allowed are `allow.auto.create.topics`, `broker.address.family`, `broker.address.ttl`, `client.dns.lookup`, `client.id`, `client.rack`, `connections.max.idle.ms`, `debug`, `enable.metrics.push`, `metadata.max.age.ms`, `reconnect.backoff.max.ms`, `reconnect.backoff.ms`, `request.timeout.ms`, `retry.backoff.max.ms`, `retry.backoff.ms`, `socket.keepalive.enable`, `socket.nagle.disable`, `socket.receive.buffer.bytes` and `socket.send.buffer.bytes`
",
    );
}

#[test]
fn an_admin_port_is_another_than_that_of_writers() {
    check(
        "
name: j
listen:
  grpc: { address: 127.0.0.1:7070 }
  admin: { address: 127.0.0.1:7070 }
outputs: [{ alias: a, topic: t, bootstrapServers: kafka:9092 }]
",
        "
job.yaml:4:21: error[CONFLICT]: 127.0.0.1:7070 is also `listen.grpc.address`
 4 |   admin: { address: 127.0.0.1:7070 }
   |                     ^^^^^^^^^^^^^^
   = help: choose another port
",
    );
}

#[test]
fn keys_not_served_yet_are_named() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    key: [id]
    headers: {}
",
        "
job.yaml:6:5: error[NOT_SERVED_YET]: `key` is not served by this version
 6 |     key: [****]
   |     ^^^
   = help: take it out: a key without effect is refused rather than ignored
job.yaml:7:5: error[NOT_SERVED_YET]: `headers` is not served by this version
 7 |     headers: {}
   |     ^^^^^^^
   = help: take it out: a key without effect is refused rather than ignored
2 faults in job.yaml
",
    );
}

#[test]
fn values_not_served_yet_are_named() {
    check(
        r#"
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    partitioning: { strategy: static, partition: 3 }
"#,
        r#"
job.yaml:6:31: error[NOT_SERVED_YET]: `strategy: static` is not served by this version
 6 |     partitioning: { strategy: static, partition: 3 }
   |                               ^^^^^^
   = help: the only value served is `roundRobin`
"#,
    );
}

#[test]
fn keys_of_another_guarantee_are_refused() {
    check_output(
        r#"
    transactions: { interval: 5ms }
"#,
        r#"
job.yaml:6:5: error[CONFLICT]: `transactions` is given, but `guarantee` is not `exactlyOnce`
 6 |     transactions: { interval: 5ms }
   |     ^^^^^^^^^^^^
   = help: write `guarantee: exactlyOnce`, or take `transactions` out
"#,
    );
    check_output(
        r#"
    acks: One
    progress: { topic: p }
"#,
        r#"
job.yaml:7:5: error[CONFLICT]: `progress` is given, but `guarantee: bestEffort` stores none
 7 |     progress: { topic: p }
   |     ^^^^^^^^
   = help: write `guarantee: atLeastOnce` with `acks: All`, or take `progress` out
"#,
    );
}

#[test]
fn dead_letters_need_a_topic_of_their_own() {
    check_output(
        r#"
    errorPolicy: DeadLetter
"#,
        r#"
job.yaml:3:5: error[MISSING_KEY]: `errorPolicy: DeadLetter` needs `deadLetter`
 3 |   - alias: a
   |     ^
   = help: add `deadLetter: { topic: NAME }`, a topic beside the output's own
"#,
    );
    check_output(
        r#"
    deadLetter: { topic: letters }
"#,
        r#"
job.yaml:6:5: error[CONFLICT]: `deadLetter` is given, but `errorPolicy` is not `DeadLetter`
 6 |     deadLetter: { topic: letters }
   |     ^^^^^^^^^^
   = help: write `errorPolicy: DeadLetter`, or take `deadLetter` out
"#,
    );
    for (topic, key) in [("t", "topic"), ("kafka-output-progress", "progress.topic")] {
        let keys = format!("\n    errorPolicy: DeadLetter\n    deadLetter: {{ topic: {topic} }}\n");
        let carets = "^".repeat(topic.len());
        let expected = format!(
            "
job.yaml:7:26: error[CONFLICT]: `deadLetter.topic` is the output's `{key}`, too
 7 |     deadLetter: {{ topic: {topic} }}
   |                          {carets}
   = help: name a topic of its own, whose readers expect letters
"
        );
        check_output(&keys, &expected);
    }
    check_output(
        r#"
    errorPolicy: DeadLetter
    deadLetter: { topic: no topic }
"#,
        r#"
job.yaml:7:26: error[INVALID_VALUE]: `topic` is not a Kafka topic name: it may not hold a space
 7 |     deadLetter: { topic: no topic }
   |                          ^^^^^^^^
   = help: use only the letters A to Z and a to z, digits, `.`, `_` and `-`
"#,
    );
}

#[test]
fn a_request_does_not_outlast_its_transaction() {
    check_output(
        r#"
    guarantee: exactlyOnce
    transactions: { timeout: 5s }
"#,
        r#"
job.yaml:7:30: error[CONFLICT]: `transactions.timeout` is 5s, shorter than `socketTimeout`, 6s: a request may not outlast its transaction
 7 |     transactions: { timeout: 5s }
   |                              ^^
   = help: write `transactions: { timeout: 6s }` or more, or `socketTimeout: 5s` or less
"#,
    );
    check_output(
        r#"
    guarantee: exactlyOnce
    socketTimeout: 1m
"#,
        r#"
job.yaml:7:20: error[CONFLICT]: `transactions.timeout` is 30s, shorter than `socketTimeout`, 1m: a request may not outlast its transaction
 7 |     socketTimeout: 1m
   |                    ^^
   = help: write `transactions: { timeout: 1m }` or more, or `socketTimeout: 30s` or less
"#,
    );
    // As long as librdkafka takes it, and where there are none.
    job(&with_output("guarantee: exactlyOnce\ntransactions: { timeout: 5900ms }"));
    job(&with_output("guarantee: atLeastOnce\nsocketTimeout: 1m"));
    let told = faults(&with_output("guarantee: exactlyOnce\ntransactions: { timeout: 5899ms }"));
    assert!(told.contains("`transactions.timeout` is 5899ms"), "{told}");
    // Event Hubs waits for a minute by default, and no socket of it for less than 20 s.
    let hub = |keys: &str| {
        let server = "bootstrapServers: n.servicebus.windows.net:9093";
        let sasl = "sasl: { mechanism: PLAIN, password: { env: P } }";
        faults(&format!(
            "name: j\noutputs:\n  - {{ alias: a, topic: t, {server}, {sasl}, guarantee: exactlyOnce, \
             {keys} }}\n"
        ))
    };
    let told = hub("socketTimeout: 90s");
    assert!(told.contains("`transactions.timeout` is 1m, shorter than `socketTimeout`"), "{told}");
    assert!(told.contains("or `socketTimeout: 1m` or less"), "{told}");
    let told = hub("transactions: { timeout: 10s }");
    assert!(told.contains("= help: write `transactions: { timeout: 1m }` or more\n"), "{told}");
}

#[test]
fn topics_with_another_use_are_refused() {
    check_output(
        r#"
    progress: { topic: t }
"#,
        r#"
job.yaml:4:12: error[CONFLICT]: `topic` is the output's `progress.topic`, too
 4 |     topic: t
   |            ^
   = help: name another topic for rows, or another `progress.topic`: that is compacted
"#,
    );
    check(
        r#"
name: j
defaults: { bootstrapServers: kafka:9092, errorPolicy: DeadLetter }
outputs:
  - { alias: a, topic: t, deadLetter: { topic: u } }
  - { alias: b, topic: u, deadLetter: { topic: p } }
  - { alias: c, topic: v, deadLetter: { topic: w }, progress: { topic: p } }
"#,
        r#"
job.yaml:4:48: error[CONFLICT]: `deadLetter.topic` is the `topic` of the output on line 5, too
 4 |   - { alias: a, topic: t, deadLetter: { topic: u } }
   |                                                ^
   = help: name a topic of its own, whose readers expect letters
job.yaml:5:48: error[CONFLICT]: `deadLetter.topic` is the `progress.topic` of the output on line 6, too
 5 |   - { alias: b, topic: u, deadLetter: { topic: p } }
   |                                                ^
   = help: name a topic of its own, whose readers expect letters
2 faults in job.yaml
"#,
    );
    // Letters and progress may be shared, topics of other brokers are others, and where no progress
    // is stored its topic is nobody's.
    job("name: j
defaults: { errorPolicy: DeadLetter, deadLetter: { topic: l }, progress: { topic: p } }
outputs:
  - { alias: a, topic: t, bootstrapServers: 'one:9092' }
  - { alias: b, topic: t, bootstrapServers: 'one:9092' }
  - { alias: c, topic: l, bootstrapServers: 'two:9092', deadLetter: { topic: t } }
  - { alias: d, topic: p, bootstrapServers: 'three:9092', guarantee: bestEffort, acks: One }
");
}

#[test]
fn a_long_line_is_cut_around_its_fault() {
    check(
        r#"
{ name: j, outputs: [{ alias: a, topic: t, bootstrapServers: kafka:9092 }, { alias: b, topic: "no topic", bootstrapServers: "kafka-1:9092" }] }
"#,
        r#"
job.yaml:1:95: error[INVALID_VALUE]: `topic` is not a Kafka topic name: it may not hold a space
 1 | …bootstrapServers: kafka:9092 }, { alias: b, topic: "no topic", bootstrapServers: "kafka-1:9092" }] }
   |                                                     ^^^^^^^^^^
   = help: use only the letters A to Z and a to z, digits, `.`, `_` and `-`
"#,
    );
}

#[test]
fn a_fault_of_an_alias_is_shown_at_its_anchor() {
    check(
        "
name: j
defaults: { bootstrapServers: kafka:9092 }
outputs:
  - { alias: a, topic: t, batching: &b { linger: 5 } }
  - { alias: b, topic: t, batching: *b }
",
        "
job.yaml:4:50: error[WRONG_TYPE]: `linger` must be a duration, but is the number 5
 4 |   - { alias: a, topic: t, batching: & { linger: 5 } }
   |                                                 ^
   = help: write `linger: 5ms`
",
    );
}
