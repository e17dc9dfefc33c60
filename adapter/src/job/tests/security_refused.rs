//! Every fault of an output's TLS and login with the text that a person reads.

use super::{check, check_output, check_output_in};

#[test]
fn protocols_of_other_products_name_ours() {
    check(
        "
name: j
defaults: { bootstrapServers: kafka:9092 }
outputs:
  - { alias: a0, topic: t, securityProtocol: SSL }
  - { alias: a1, topic: t, securityProtocol: sasl_ssl }
  - { alias: a2, topic: t, securityProtocol: PLAINTEXT }
  - { alias: a3, topic: t, securityProtocol: MTLS }
",
        "
job.yaml:4:46: error[UNKNOWN_VALUE]: `SSL` is not a value of `securityProtocol`
 4 |   - { alias: a0, topic: t, securityProtocol: SSL }
   |                                              ^^^
   = help: write `mTLS` with a `clientCertificate`, or `SASL_SSL` with `sasl`; the values are `None`, `SASL_PLAINTEXT`, `SASL_SSL` and `mTLS`
job.yaml:5:46: error[UNKNOWN_VALUE]: `sasl_ssl` is not a value of `securityProtocol`
 5 |   - { alias: a1, topic: t, securityProtocol: sasl_ssl }
   |                                              ^^^^^^^^
   = help: did you mean `SASL_SSL`? The values are `None`, `SASL_PLAINTEXT`, `SASL_SSL` and `mTLS`
job.yaml:6:46: error[UNKNOWN_VALUE]: `PLAINTEXT` is not a value of `securityProtocol`
 6 |   - { alias: a2, topic: t, securityProtocol: PLAINTEXT }
   |                                              ^^^^^^^^^
   = help: write `None`; the values are `None`, `SASL_PLAINTEXT`, `SASL_SSL` and `mTLS`
job.yaml:7:46: error[UNKNOWN_VALUE]: `MTLS` is not a value of `securityProtocol`
 7 |   - { alias: a3, topic: t, securityProtocol: MTLS }
   |                                              ^^^^
   = help: did you mean `mTLS`? The values are `None`, `SASL_PLAINTEXT`, `SASL_SSL` and `mTLS`
4 faults in job.yaml
",
    );
}

#[test]
fn mechanisms_of_other_products_name_ours() {
    check(
        "
name: j
defaults: { bootstrapServers: kafka:9092, securityProtocol: SASL_SSL }
outputs:
  - { alias: a0, topic: t, sasl: { mechanism: SCRAM_SHA_256 } }
  - { alias: a1, topic: t, sasl: { mechanism: oauth } }
  - { alias: a2, topic: t, sasl: { mechanism: GSSAPI } }
",
        "
job.yaml:4:47: error[UNKNOWN_VALUE]: `SCRAM_SHA_256` is not a value of `mechanism`
 4 |   - { alias: a0, topic: t, sasl: { mechanism: SCRAM_SHA_256 } }
   |                                               ^^^^^^^^^^^^^
   = help: did you mean `SCRAM-SHA-256`? The values are `PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512` and `OAUTHBEARER`
job.yaml:5:47: error[UNKNOWN_VALUE]: `oauth` is not a value of `mechanism`
 5 |   - { alias: a1, topic: t, sasl: { mechanism: oauth } }
   |                                               ^^^^^
   = help: write `OAUTHBEARER`; the values are `PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512` and `OAUTHBEARER`
job.yaml:6:47: error[UNKNOWN_VALUE]: `GSSAPI` is not a value of `mechanism`
 6 |   - { alias: a2, topic: t, sasl: { mechanism: GSSAPI } }
   |                                               ^^^^^^
   = help: the values are `PLAIN`, `SCRAM-SHA-256`, `SCRAM-SHA-512` and `OAUTHBEARER`
3 faults in job.yaml
",
    );
}

#[test]
fn tls_keys_need_a_protocol_with_tls() {
    check_output(
        "
    truststore: { file: ca }
    truststorePassword: { env: P }
    clientCertificate: { file: c }
    clientKey: { file: k }
    clientKeyPassword: { env: P }
    trustAnyServerCertificate: false
    trustAnyHostName: true
",
        "
job.yaml:6:5: error[CONFLICT]: `truststore` is for TLS, but `securityProtocol` is `None` by default
 6 |     truststore: { file: ca }
   |     ^^^^^^^^^^
   = help: take `truststore` out, or write `securityProtocol: SASL_SSL` or `mTLS`
job.yaml:7:5: error[CONFLICT]: `truststorePassword` is for TLS, but `securityProtocol` is `None` by default
 7 |     truststorePassword: { env: **** }
   |     ^^^^^^^^^^^^^^^^^^
   = help: take `truststorePassword` out, or write `securityProtocol: SASL_SSL` or `mTLS`
job.yaml:8:5: error[CONFLICT]: `clientCertificate` is for TLS, but `securityProtocol` is `None` by default
 8 |     clientCertificate: { file: **** }
   |     ^^^^^^^^^^^^^^^^^
   = help: take `clientCertificate` out, or write `securityProtocol: SASL_SSL` or `mTLS`
job.yaml:9:5: error[CONFLICT]: `clientKey` is for TLS, but `securityProtocol` is `None` by default
 9 |     clientKey: { file: **** }
   |     ^^^^^^^^^
   = help: take `clientKey` out, or write `securityProtocol: SASL_SSL` or `mTLS`
job.yaml:10:5: error[CONFLICT]: `clientKeyPassword` is for TLS, but `securityProtocol` is `None` by default
 10 |     clientKeyPassword: { env: **** }
    |     ^^^^^^^^^^^^^^^^^
    = help: take `clientKeyPassword` out, or write `securityProtocol: SASL_SSL` or `mTLS`
job.yaml:11:32: error[CONFLICT]: `trustAnyServerCertificate` is for TLS, but `securityProtocol` is `None` by default
 11 |     trustAnyServerCertificate: false
    |                                ^^^^^
    = help: take `trustAnyServerCertificate` out, or write `securityProtocol: SASL_SSL` or `mTLS`
job.yaml:12:23: error[CONFLICT]: `trustAnyHostName` is for TLS, but `securityProtocol` is `None` by default
 12 |     trustAnyHostName: true
    |                       ^^^^
    = help: take `trustAnyHostName` out, or write `securityProtocol: SASL_SSL` or `mTLS`
7 faults in job.yaml
",
    );
}

#[test]
fn sasl_in_plaintext_has_no_tls() {
    check_output(
        "
    securityProtocol: SASL_PLAINTEXT
    truststore: { file: ca }
    sasl: { mechanism: PLAIN, username: u, password: { env: P } }
",
        "
job.yaml:7:5: error[CONFLICT]: `truststore` is for TLS, but line 6 says `securityProtocol: SASL_PLAINTEXT`
 7 |     truststore: { file: ca }
   |     ^^^^^^^^^^
   = help: take `truststore` out, or write `securityProtocol: SASL_SSL` or `mTLS`
",
    );
}

#[test]
fn mtls_needs_a_client_certificate() {
    check_output(
        "
    securityProtocol: mTLS
    truststore: { file: ca }
",
        "
job.yaml:6:23: error[MISSING_KEY]: `mTLS` needs `clientCertificate`, which is not there
 6 |     securityProtocol: mTLS
   |                       ^^^^
   = help: add `clientCertificate: { certificate: NAME }`, or `{ file: PATH }`
",
    );
}

#[test]
fn mtls_has_no_login() {
    check_output(
        "
    securityProtocol: mTLS
    clientCertificate: { file: c }
    sasl: { mechanism: PLAIN, username: u, password: { env: P } }
",
        "
job.yaml:8:5: error[CONFLICT]: `sasl` is given, but `securityProtocol` is `mTLS`
 8 |     sasl: { mechanism: PLAIN, username: u, password: { env: **** } }
   |     ^^^^
   = help: write `securityProtocol: SASL_SSL`, which may have a `clientCertificate`, too; or take `sasl` out
",
    );
}

#[test]
fn tls_with_a_login_needs_one() {
    check_output(
        "
    securityProtocol: SASL_SSL
",
        "
job.yaml:6:23: error[MISSING_KEY]: `SASL_SSL` needs `sasl`, which is not there
 6 |     securityProtocol: SASL_SSL
   |                       ^^^^^^^^
   = help: add `sasl: { mechanism: PLAIN, username: NAME, password: { secret: NAME } }`
",
    );
}

#[test]
fn parts_belong_to_what_is_there() {
    check_output(
        "
    securityProtocol: SASL_SSL
    truststorePassword: { env: P }
    clientKey: { file: k }
    clientKeyPassword: { env: P }
    sasl: { mechanism: PLAIN, username: u, password: { env: P } }
",
        "
job.yaml:7:5: error[CONFLICT]: `truststorePassword` belongs to `truststore`, which is not there
 7 |     truststorePassword: { env: **** }
   |     ^^^^^^^^^^^^^^^^^^
   = help: add `truststore`, or take `truststorePassword` out
job.yaml:8:5: error[CONFLICT]: `clientKey` belongs to `clientCertificate`, which is not there
 8 |     clientKey: { file: **** }
   |     ^^^^^^^^^
   = help: add `clientCertificate`, or take `clientKey` out
job.yaml:9:5: error[CONFLICT]: `clientKeyPassword` belongs to `clientCertificate`, which is not there
 9 |     clientKeyPassword: { env: **** }
   |     ^^^^^^^^^^^^^^^^^
   = help: add `clientCertificate`, or take `clientKeyPassword` out
3 faults in job.yaml
",
    );
}

#[test]
fn whom_to_trust_is_said_once() {
    check_output(
        "
    securityProtocol: mTLS
    truststore: { file: ca }
    clientCertificate: { file: c }
    trustAnyServerCertificate: true
",
        "
job.yaml:9:32: error[CONFLICT]: `truststore` has no effect with `trustAnyServerCertificate: true`
 9 |     trustAnyServerCertificate: true
   |                                ^^^^
   = help: take `trustAnyServerCertificate` out, so that brokers are checked
",
    );
}

#[test]
fn a_reference_like_no_other_lists_the_ways() {
    check_output(
        "
    securityProtocol: SASL_SSL
    truststore: { url: x }
    sasl: { mechanism: PLAIN, username: u, password: { env: P } }
",
        "
job.yaml:7:19: error[UNKNOWN_KEY]: `url` is not a key of `truststore`
 7 |     truststore: { url: **** }
   |                   ^^^
   = help: the keys here are `certificate`, `secret`, `file`, `env`, `clearTextForTests`, `vault` and `version`
",
    );
}

#[test]
fn a_switch_is_true_or_false() {
    check_output(
        "
    securityProtocol: mTLS
    clientCertificate: { file: c }
    trustAnyServerCertificate: maybe
    trustAnyHostName: 1
",
        "
job.yaml:8:32: error[WRONG_TYPE]: `trustAnyServerCertificate` must be `true` or `false`, but is the text `maybe`
 8 |     trustAnyServerCertificate: maybe
   |                                ^^^^^
   = help: write `true` or `false`, without quotes
job.yaml:9:23: error[WRONG_TYPE]: `trustAnyHostName` must be `true` or `false`, but is the number 1
 9 |     trustAnyHostName: 1
   |                       ^
   = help: write `true` or `false`, without quotes
2 faults in job.yaml
",
    );
}

#[test]
fn a_mechanism_with_a_password_takes_no_token() {
    check_output(
        "
    securityProtocol: SASL_SSL
    sasl:
      mechanism: SCRAM-SHA-512
      username: u
      password: { env: P }
      token: { scope: s }
",
        "
job.yaml:11:7: error[CONFLICT]: `token` belongs to `mechanism: OAUTHBEARER`, but line 8 says `mechanism: SCRAM-SHA-512`
 11 |       token: { scope: s }
    |       ^^^^^
    = help: take `token` out, or write `mechanism: OAUTHBEARER`
",
    );
}

#[test]
fn a_mechanism_with_a_token_takes_no_password() {
    check_output_in(
        "identity: { type: azureCli }\n",
        "
    securityProtocol: SASL_SSL
    sasl:
      mechanism: OAUTHBEARER
      username: u
      password: { env: P }
      token: { scope: s }
",
        "
job.yaml:10:17: error[CONFLICT]: `username` belongs to a mechanism with a password, but line 9 says `mechanism: OAUTHBEARER`
 10 |       username: u
    |                 ^
    = help: take `username` out, or write `mechanism: PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`
job.yaml:11:7: error[CONFLICT]: `password` belongs to a mechanism with a password, but line 9 says `mechanism: OAUTHBEARER`
 11 |       password: { env: **** }
    |       ^^^^^^^^
    = help: take `password` out, or write `mechanism: PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`
2 faults in job.yaml
",
    );
}

#[test]
fn a_login_without_a_mechanism_is_none() {
    check_output(
        "
    securityProtocol: SASL_SSL
    sasl: { username: u, password: { env: P } }
",
        "
job.yaml:7:5: error[MISSING_KEY]: `sasl` has no `mechanism`
 7 |     sasl: { username: u, password: { env: **** } }
   |     ^^^^
   = help: add `mechanism: PLAIN`, or another one
",
    );
}

#[test]
fn a_token_needs_an_issuer_and_a_use() {
    check_output(
        "
    securityProtocol: SASL_SSL
    sasl: { mechanism: OAUTHBEARER }
",
        "
job.yaml:7:5: error[MISSING_KEY]: `OAUTHBEARER` needs `token`, which is not there
 7 |     sasl: { mechanism: OAUTHBEARER }
   |     ^^^^
   = help: add `token: { scope: SCOPE }` for the job's `identity`, or `token: { endpoint: URL, clientId: ID, clientSecret: { secret: NAME } }`
job.yaml:7:24: error[MISSING_KEY]: tokens without an `endpoint` are of the job's `identity`, which is not there
 7 |     sasl: { mechanism: OAUTHBEARER }
   |                        ^^^^^^^^^^^
   = help: add `identity: { type: systemAssigned }` at the top of the file, or `endpoint`, `clientId` and `clientSecret` under `token`
2 faults in job.yaml
",
    );
}

#[test]
fn a_token_of_the_identity_needs_a_scope() {
    check_output_in(
        "identity: { type: azureCli }\n",
        "
    securityProtocol: SASL_SSL
    sasl: { mechanism: OAUTHBEARER, token: {} }
",
        "
job.yaml:8:37: error[MISSING_KEY]: `token` does not say what tokens are for
 8 |     sasl: { mechanism: OAUTHBEARER, token: {} }
   |                                     ^^^^^
   = help: add `scope`, such as `https://NAMESPACE.servicebus.windows.net/.default`; or `endpoint` for another issuer
",
    );
}

#[test]
fn a_token_of_the_identity_needs_the_identity() {
    check_output(
        "
    securityProtocol: SASL_SSL
    sasl: { mechanism: OAUTHBEARER, token: { scope: s } }
",
        "
job.yaml:7:37: error[MISSING_KEY]: tokens without an `endpoint` are of the job's `identity`, which is not there
 7 |     sasl: { mechanism: OAUTHBEARER, token: { scope: s } }
   |                                     ^^^^^
   = help: add `identity: { type: systemAssigned }` at the top of the file, or `endpoint`, `clientId` and `clientSecret` under `token`
",
    );
}

#[test]
fn a_client_belongs_to_an_endpoint() {
    check_output_in(
        "identity: { type: azureCli }\n",
        "
    securityProtocol: SASL_SSL
    sasl:
      mechanism: OAUTHBEARER
      token:
        scope: s
        clientId: c
        clientSecret: { env: S }
        truststore: { file: ca }
",
        "
job.yaml:12:19: error[CONFLICT]: `clientId` belongs to `endpoint`, which is not there
 12 |         clientId: c
    |                   ^
    = help: add `endpoint`, or take `clientId` out to have tokens of the job's `identity`
job.yaml:13:9: error[CONFLICT]: `clientSecret` belongs to `endpoint`, which is not there
 13 |         clientSecret: { env: **** }
    |         ^^^^^^^^^^^^
    = help: add `endpoint`, or take `clientSecret` out to have tokens of the job's `identity`
job.yaml:14:9: error[CONFLICT]: `truststore` belongs to `endpoint`, which is not there
 14 |         truststore: { file: ca }
    |         ^^^^^^^^^^
    = help: add `endpoint`, or take `truststore` out to have tokens of the job's `identity`
3 faults in job.yaml
",
    );
}

#[test]
fn an_endpoint_needs_a_client() {
    check_output(
        "
    securityProtocol: SASL_SSL
    sasl: { mechanism: OAUTHBEARER, token: { endpoint: 'https://login.example.org/t' } }
",
        "
job.yaml:7:37: error[MISSING_KEY]: `token` has an `endpoint`, but no `clientId`
 7 |     sasl: { mechanism: OAUTHBEARER, token: { endpoint: 'https://login.example.org/t' } }
   |                                     ^^^^^
   = help: add `clientId: ID`
job.yaml:7:37: error[MISSING_KEY]: `token` has an `endpoint`, but no `clientSecret`
 7 |     sasl: { mechanism: OAUTHBEARER, token: { endpoint: 'https://login.example.org/t' } }
   |                                     ^^^^^
   = help: add `clientSecret: { secret: NAME }`
2 faults in job.yaml
",
    );
}

#[test]
fn an_endpoint_is_encrypted() {
    check_output(
        "
    securityProtocol: SASL_SSL
    sasl:
      mechanism: OAUTHBEARER
      token:
        endpoint: http://login.example.org/token
        clientId: c
        clientSecret: { env: S }
",
        "
job.yaml:10:19: error[INVALID_VALUE]: `endpoint` goes to another machine, and `http` is not encrypted
 10 |         endpoint: http://login.example.org/token
    |                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    = help: write `https://HOST/PATH`; `http://` is for this machine alone
",
    );
}

#[test]
fn extensions_are_what_sasl_takes() {
    check(
        r#"
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    securityProtocol: SASL_SSL
    sasl:
      mechanism: OAUTHBEARER
      token:
        endpoint: https://login.example.org/t
        clientId: c
        clientSecret: { env: S }
        extensions:
          logical_cluster: lkc-1
          auth: x
          pool: ""
          id: 5
"#,
        r#"
job.yaml:14:11: error[INVALID_VALUE]: `logical_cluster` is not the name of an extension
 14 |           logical_cluster: lkc-1
    |           ^^^^^^^^^^^^^^^
    = help: use letters alone, such as `logicalCluster`
job.yaml:15:11: error[INVALID_VALUE]: `auth` is an extension that the token itself takes
 15 |           auth: x
    |           ^^^^
    = help: take it out
job.yaml:16:11: error[INVALID_VALUE]: `pool` has a value that is no extension
 16 |           pool: ""
    |           ^^^^
    = help: write letters, digits and signs of ASCII
job.yaml:17:15: error[WRONG_TYPE]: `id` must be text, but is the number 5
 17 |           id: 5
    |               ^
    = help: put quotes around it, so that YAML takes it for text
4 faults in job.yaml
"#,
    );
}

#[test]
fn a_token_is_no_text() {
    check_output(
        "
    securityProtocol: SASL_SSL
    sasl: { mechanism: OAUTHBEARER, token: canary }
",
        "
job.yaml:7:44: error[WRONG_TYPE]: `token` must be a map, but is text
 7 |     sasl: { mechanism: OAUTHBEARER, token: **** }
   |                                            ^^^^
   = help: write its keys below it, indented
",
    );
}

#[test]
fn an_unknown_key_of_a_token_is_unseen() {
    check_output(
        "
    securityProtocol: SASL_SSL
    sasl: { mechanism: OAUTHBEARER, token: { value: canary, clientid: c } }
",
        "
job.yaml:7:46: error[UNKNOWN_KEY]: this is not a key of `token`
 7 |     sasl: { mechanism: OAUTHBEARER, token: { ****: ****, ****: **** } }
   |                                              ^^^^
   = help: the keys here are `clientId`, `clientSecret`, `endpoint`, `extensions`, `scope` and `truststore`
job.yaml:7:61: error[UNKNOWN_KEY]: this is not a key of `token`
 7 |     sasl: { mechanism: OAUTHBEARER, token: { ****: ****, ****: **** } }
   |                                                          ^^^^
   = help: did you mean `clientId`?
2 faults in job.yaml
",
    );
}

#[test]
fn default_tls_that_nobody_uses_is_a_conflict() {
    check(
        "
name: j
defaults:
  bootstrapServers: kafka:9092
  truststore: { file: ca }
  trustAnyHostName: true
outputs:
  - { alias: a, topic: t }
",
        "
job.yaml:4:3: error[CONFLICT]: `truststore` is given, but no output has a `securityProtocol` that uses it
 4 |   truststore: { file: ca }
   |   ^^^^^^^^^^
   = help: add a `securityProtocol` that uses it, such as `SASL_SSL`, or take it out
job.yaml:5:21: error[CONFLICT]: `trustAnyHostName` is given, but no output has a `securityProtocol` that uses it
 5 |   trustAnyHostName: true
   |                     ^^^^
   = help: add a `securityProtocol` that uses it, such as `SASL_SSL`, or take it out
2 faults in job.yaml
",
    );
}

#[test]
fn defaults_are_checked_where_they_stand() {
    check(
        "
name: j
defaults:
  bootstrapServers: kafka:9092
  securityProtocol: SASL_SSL
  truststorePassword: { env: P }
  truststore: { secret: a_b }
  sasl: { mechanism: PLAIN, username: u, password: { env: '1' }, token: {} }
outputs:
  - { alias: a, topic: t }
  - { alias: b, topic: t }
",
        "
job.yaml:6:3: error[MISSING_KEY]: a secret in a vault needs an `identity` that may read it
 6 |   truststore: { secret: **** }
   |   ^^^^^^^^^^
   = help: add `identity: { type: systemAssigned }` at the top of the file
job.yaml:6:3: error[MISSING_KEY]: `secret` is of a vault, but none is named
 6 |   truststore: { secret: **** }
   |   ^^^^^^^^^^
   = help: add `vault: https://NAME.vault.azure.net` at the top of the file, or `vault: NAME` here for one of `vaults`
job.yaml:6:25: error[INVALID_VALUE]: `secret` is not the name of a secret in a vault
 6 |   truststore: { secret: **** }
   |                         ^^^^
   = help: use 1 to 127 letters, digits and `-`
job.yaml:7:59: error[INVALID_VALUE]: `env` is not the name of an environment variable
 7 |   sasl: { mechanism: PLAIN, username: u, password: { env: **** }, token: {} }
   |                                                           ^^^^
   = help: use letters, digits and `_`, such as `KAFKA_PASSWORD`
job.yaml:7:66: error[CONFLICT]: `token` belongs to `mechanism: OAUTHBEARER`, but line 7 says `mechanism: PLAIN`
 7 |   sasl: { mechanism: PLAIN, username: u, password: { env: **** }, token: {} }
   |                                                                   ^^^^^
   = help: take `token` out, or write `mechanism: OAUTHBEARER`
5 faults in job.yaml
",
    );
}

#[test]
fn raw_settings_of_security_name_what_to_use() {
    check_output(
        "
    librdkafka:
      ssl.ca.location: /ca
      ssl.certificate.pem: x
      ssl.key.location: /k
      ssl.key.password: x
      ssl.keystore.location: /p
      enable.ssl.certificate.verification: false
      ssl.endpoint.identification.algorithm: none
      sasl.oauthbearer.client.secret: x
      sasl.oauthbearer.method: oidc
      security.protocol: ssl
",
        "
job.yaml:7:7: error[SETTING_NOT_ALLOWED]: `ssl.ca.location` may not be set under `librdkafka`
 7 |       ssl.ca.location: ****
   |       ^^^^^^^^^^^^^^^
   = help: use the key `truststore` of the output instead
job.yaml:8:7: error[SETTING_NOT_ALLOWED]: `ssl.certificate.pem` may not be set under `librdkafka`
 8 |       ssl.certificate.pem: ****
   |       ^^^^^^^^^^^^^^^^^^^
   = help: use the key `clientCertificate` of the output instead
job.yaml:9:7: error[SETTING_NOT_ALLOWED]: `ssl.key.location` may not be set under `librdkafka`
 9 |       ssl.key.location: ****
   |       ^^^^^^^^^^^^^^^^
   = help: use the key `clientKey` of the output instead
job.yaml:10:7: error[SETTING_NOT_ALLOWED]: `ssl.key.password` may not be set under `librdkafka`
 10 |       ssl.key.password: ****
    |       ^^^^^^^^^^^^^^^^
    = help: use the key `clientKeyPassword` of the output instead
job.yaml:11:7: error[SETTING_NOT_ALLOWED]: `ssl.keystore.location` may not be set under `librdkafka`
 11 |       ssl.keystore.location: ****
    |       ^^^^^^^^^^^^^^^^^^^^^
    = help: use the key `clientCertificate` of the output instead
job.yaml:12:7: error[SETTING_NOT_ALLOWED]: `enable.ssl.certificate.verification` may not be set under `librdkafka`
 12 |       enable.ssl.certificate.verification: ****
    |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    = help: use the key `trustAnyServerCertificate` of the output instead
job.yaml:13:7: error[SETTING_NOT_ALLOWED]: `ssl.endpoint.identification.algorithm` may not be set under `librdkafka`
 13 |       ssl.endpoint.identification.algorithm: ****
    |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    = help: use the key `trustAnyHostName` of the output instead
job.yaml:14:7: error[SETTING_NOT_ALLOWED]: `sasl.oauthbearer.client.secret` may not be set under `librdkafka`
 14 |       sasl.oauthbearer.client.secret: ****
    |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    = help: use the key `sasl.token.clientSecret` of the output instead
job.yaml:15:7: error[SETTING_NOT_ALLOWED]: `sasl.oauthbearer.method` may not be set under `librdkafka`
 15 |       sasl.oauthbearer.method: ****
    |       ^^^^^^^^^^^^^^^^^^^^^^^
    = help: use the key `sasl.token` of the output instead
job.yaml:16:7: error[SETTING_NOT_ALLOWED]: `security.protocol` may not be set under `librdkafka`
 16 |       security.protocol: ****
    |       ^^^^^^^^^^^^^^^^^
    = help: use the key `securityProtocol` of the output instead
10 faults in job.yaml
",
    );
}

#[test]
fn a_key_of_security_in_a_wrong_place_is_unseen() {
    check_output(
        "
    key: canary
    certificate: canary
    sasl: { key: canary, keyy: canary }
    truststor: canary
",
        "
job.yaml:6:5: error[NOT_SERVED_YET]: `key` is not served by this version
 6 |     key: ****
   |     ^^^
   = help: take it out: a key without effect is refused rather than ignored
job.yaml:7:5: error[UNKNOWN_KEY]: `certificate` is not a key of `outputs[0]`
 7 |     certificate: ****
   |     ^^^^^^^^^^^
   = help: its place is `listen.grpc.tls.certificate`
job.yaml:8:5: error[CONFLICT]: `sasl` is given, but `securityProtocol` is `None`
 8 |     sasl: { key: ****, keyy: **** }
   |     ^^^^
   = help: write `securityProtocol: SASL_SSL`, or `securityProtocol: SASL_PLAINTEXT` where the network is closed; or take `sasl` out
job.yaml:8:13: error[UNKNOWN_KEY]: `key` is not a key of `sasl`
 8 |     sasl: { key: ****, keyy: **** }
   |             ^^^
   = help: its place is `listen.grpc.tls.key`
job.yaml:8:26: error[UNKNOWN_KEY]: `keyy` is not a key of `sasl`
 8 |     sasl: { key: ****, keyy: **** }
   |                        ^^^^
   = help: the keys here are `mechanism`, `password`, `token` and `username`
job.yaml:9:5: error[UNKNOWN_KEY]: `truststor` is not a key of `outputs[0]`
 9 |     truststor: ****
   |     ^^^^^^^^^
   = help: did you mean `truststore`?
6 faults in job.yaml
",
    );
}

#[test]
fn a_path_with_dots_is_written_as_a_map() {
    check_output(
        "
    securityProtocol: SASL_SSL
    sasl.password: hunter2
    sasl.token.scope: x
    batching.rows: 5
    sasl.passwort: hunter2
",
        "
job.yaml:7:5: error[UNKNOWN_KEY]: `sasl.password` is not a key of `outputs[0]`
 7 |     sasl.password: ****
   |     ^^^^^^^^^^^^^
   = help: write it as a map: `sasl: { password: … }`
job.yaml:8:5: error[UNKNOWN_KEY]: `sasl.token.scope` is not a key of `outputs[0]`
 8 |     sasl.token.scope: ****
   |     ^^^^^^^^^^^^^^^^
   = help: write it as a map: `sasl: { token: { scope: … } }`
job.yaml:9:5: error[UNKNOWN_KEY]: `batching.rows` is not a key of `outputs[0]`
 9 |     batching.rows: 5
   |     ^^^^^^^^^^^^^
   = help: write it as a map: `batching: { rows: … }`
job.yaml:10:5: error[UNKNOWN_KEY]: `sasl.passwort` is not a key of `outputs[0]`
 10 |     sasl.passwort: ****
    |     ^^^^^^^^^^^^^
    = help: use the key `sasl` of the output instead
4 faults in job.yaml
",
    );
}
