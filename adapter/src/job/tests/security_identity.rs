//! Every fault of identities, vaults and references with the text that a person reads.

use super::{VAULT, check, check_output, check_output_in};

#[test]
fn an_identity_has_a_type() {
    check(
        "
name: j
identity: { clientId: x }
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
",
        "
job.yaml:2:1: error[MISSING_KEY]: `identity` has no `type`
 2 | identity: { clientId: x }
   | ^^^^^^^^
   = help: add `type: systemAssigned`
job.yaml:2:23: error[INVALID_VALUE]: `clientId` is not a GUID
 2 | identity: { clientId: x }
   |                       ^
   = help: write hex digits, such as `11111111-2222-3333-4444-555555555555`
2 faults in job.yaml
",
    );
}

#[test]
fn a_type_of_another_product_names_ours() {
    check(
        "
name: j
identity: { type: managedIdentity }
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
",
        "
job.yaml:2:19: error[UNKNOWN_VALUE]: `managedIdentity` is not a value of `type`
 2 | identity: { type: managedIdentity }
   |                   ^^^^^^^^^^^^^^^
   = help: write `systemAssigned`, or `userAssigned` with its `clientId`; the values are `systemAssigned`, `userAssigned`, `workload` and `azureCli`
",
    );
}

#[test]
fn a_user_assigned_identity_is_named() {
    check(
        "
name: j
identity: { type: userAssigned }
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
",
        "
job.yaml:2:1: error[MISSING_KEY]: `type: userAssigned` does not say which identity
 2 | identity: { type: userAssigned }
   | ^^^^^^^^
   = help: add `clientId`, `objectId` or `resourceId`
",
    );
}

#[test]
fn an_identity_has_one_name() {
    check(
        "
name: j
identity:
  type: userAssigned
  clientId: 11111111-2222-3333-4444-555555555555
  objectId: 11111111-2222-3333-4444-555555555555
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
",
        "
job.yaml:5:13: error[CONFLICT]: `identity` has both `clientId` and `objectId`
 5 |   objectId: 11111111-2222-3333-4444-555555555555
   |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   = help: keep one: each names the identity by itself
",
    );
}

#[test]
fn a_key_of_another_identity_is_a_conflict() {
    check(
        "
name: j
identity:
  type: systemAssigned
  clientId: 11111111-2222-3333-4444-555555555555
  tenantId: 11111111-2222-3333-4444-555555555555
  tokenFile: token
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
",
        "
job.yaml:4:13: error[CONFLICT]: `clientId` belongs to `type: userAssigned` and `type: workload`, but line 3 says `type: systemAssigned`
 4 |   clientId: 11111111-2222-3333-4444-555555555555
   |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   = help: take `clientId` out, or write `type: userAssigned` or `type: workload`
job.yaml:5:13: error[CONFLICT]: `tenantId` belongs to `type: workload` and `type: azureCli`, but line 3 says `type: systemAssigned`
 5 |   tenantId: 11111111-2222-3333-4444-555555555555
   |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   = help: take `tenantId` out, or write `type: workload` or `type: azureCli`
job.yaml:6:14: error[CONFLICT]: `tokenFile` belongs to `type: workload`, but line 3 says `type: systemAssigned`
 6 |   tokenFile: ****
   |              ^^^^
   = help: take `tokenFile` out, or write `type: workload`
3 faults in job.yaml
",
    );
}

#[test]
fn ids_are_what_entra_takes() {
    check(
        "
name: j
identity:
  type: userAssigned
  clientId: writer
  objectId: 1111
  resourceId: /subscriptions/x
  tenantId: contoso
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
",
        "
job.yaml:4:13: error[INVALID_VALUE]: `clientId` is not a GUID
 4 |   clientId: writer
   |             ^^^^^^
   = help: write hex digits, such as `11111111-2222-3333-4444-555555555555`
job.yaml:5:13: error[WRONG_TYPE]: `objectId` must be text, but is the number 1111
 5 |   objectId: 1111
   |             ^^^^
   = help: put quotes around it, so that YAML takes it for text
job.yaml:6:15: error[INVALID_VALUE]: `resourceId` is not the resource id of a user-assigned identity
 6 |   resourceId: /subscriptions/x
   |               ^^^^^^^^^^^^^^^^
   = help: write `/subscriptions/ID/resourceGroups/NAME/providers/Microsoft.ManagedIdentity/userAssignedIdentities/NAME`
job.yaml:7:13: error[INVALID_VALUE]: `tenantId` is not a tenant
 7 |   tenantId: contoso
   |             ^^^^^^^
   = help: write its id, such as `11111111-2222-3333-4444-555555555555`, or a domain such as `contoso.onmicrosoft.com`
job.yaml:7:13: error[CONFLICT]: `tenantId` belongs to `type: workload` and `type: azureCli`, but line 3 says `type: userAssigned`
 7 |   tenantId: contoso
   |             ^^^^^^^
   = help: take `tenantId` out, or write `type: workload` or `type: azureCli`
5 faults in job.yaml
",
    );
}

#[test]
fn secrets_are_not_looked_up_all_the_time() {
    check(
        "
name: j
secretRefresh: 500ms
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
",
        "
job.yaml:2:16: error[OUT_OF_RANGE]: `secretRefresh` is 500ms, which is out of its range
 2 | secretRefresh: 500ms
   |                ^^^^^
   = help: write at least 1s
",
    );
}

#[test]
fn secrets_are_looked_up_every_week_at_least() {
    check(
        "
name: j
secretRefresh: 336h
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
",
        "
job.yaml:2:16: error[OUT_OF_RANGE]: `secretRefresh` is 336h, which is out of its range
 2 | secretRefresh: 336h
   |                ^^^^
   = help: write at most 168h
",
    );
}

#[test]
fn vaults_have_addresses() {
    check(
        "
name: j
vault: contoso
vaults:
  a b: https://shared.vault.azure.net
  other: https://example.org
  number: 5
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
",
        "
job.yaml:2:8: error[INVALID_VALUE]: `vault` does not begin with `https://`
 2 | vault: contoso
   |        ^^^^^^^
   = help: write `https://NAME.vault.azure.net`
job.yaml:4:3: error[INVALID_VALUE]: `a b` is not a name for a vault: it may not hold a space
 4 |   a b: https://shared.vault.azure.net
   |   ^^^
   = help: use only the letters A to Z and a to z, digits, `.`, `_` and `-`
job.yaml:5:3: error[INVALID_VALUE]: `other` is not the host of a vault (`NAME.vault.azure.net`, `.vault.azure.cn` or `.vault.usgovcloudapi.net`)
 5 |   other: https://example.org
   |   ^^^^^
   = help: write `https://NAME.vault.azure.net`
job.yaml:6:11: error[WRONG_TYPE]: `number` must be text, but is the number 5
 6 |   number: 5
   |           ^
   = help: put quotes around it, so that YAML takes it for text
4 faults in job.yaml
",
    );
}

#[test]
fn a_reference_to_a_vault_needs_an_identity() {
    check(
        "
name: j
vault: https://contoso.vault.azure.net
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    securityProtocol: SASL_PLAINTEXT
    sasl:
      mechanism: PLAIN
      username: u
      password: { secret: kafka-password }
",
        "
job.yaml:11:7: error[MISSING_KEY]: a secret in a vault needs an `identity` that may read it
 11 |       password: { secret: **** }
    |       ^^^^^^^^
    = help: add `identity: { type: systemAssigned }` at the top of the file
",
    );
}

#[test]
fn a_reference_to_a_vault_needs_a_vault() {
    check(
        "
name: j
identity: { type: systemAssigned }
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    securityProtocol: SASL_PLAINTEXT
    sasl:
      mechanism: PLAIN
      username: u
      password: { secret: kafka-password }
",
        "
job.yaml:11:7: error[MISSING_KEY]: `secret` is of a vault, but none is named
 11 |       password: { secret: **** }
    |       ^^^^^^^^
    = help: add `vault: https://NAME.vault.azure.net` at the top of the file, or `vault: NAME` here for one of `vaults`
",
    );
}

#[test]
fn a_missing_identity_is_told_once() {
    check(
        "
name: j
vault: https://contoso.vault.azure.net
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    securityProtocol: SASL_SSL
    truststore: { secret: ca }
    sasl:
      mechanism: PLAIN
      username: { secret: user }
      password: { secret: word }
",
        "
job.yaml:8:5: error[MISSING_KEY]: a secret in a vault needs an `identity` that may read it
 8 |     truststore: { secret: **** }
   |     ^^^^^^^^^^
   = help: add `identity: { type: systemAssigned }` at the top of the file
",
    );
}

#[test]
fn a_vault_of_a_reference_is_known() {
    check(
        "
name: j
identity: { type: systemAssigned }
vault: https://contoso.vault.azure.net
vaults: { shared: https://shared.vault.azure.net }
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    securityProtocol: SASL_SSL
    truststore: { secret: ca, vault: shard }
    clientCertificate: { certificate: c, vault: http://x }
    sasl:
      mechanism: PLAIN
      username: u
      password: { secret: p, vault: https://example.org }
",
        "
job.yaml:10:38: error[INVALID_VALUE]: `vault` is neither an address nor a name under `vaults`
 10 |     truststore: { secret: ****, vault: shard }
    |                                        ^^^^^
    = help: write `https://NAME.vault.azure.net`, or `shared`
job.yaml:11:49: error[INVALID_VALUE]: `vault` does not begin with `https://`
 11 |     clientCertificate: { certificate: ****, vault: **** }
    |                                                    ^^^^
    = help: write `https://NAME.vault.azure.net`
job.yaml:15:37: error[INVALID_VALUE]: `vault` is not the host of a vault (`NAME.vault.azure.net`, `.vault.azure.cn` or `.vault.usgovcloudapi.net`)
 15 |       password: { secret: ****, vault: **** }
    |                                        ^^^^
    = help: write `https://NAME.vault.azure.net`
3 faults in job.yaml
",
    );
}

#[test]
fn a_vault_by_name_needs_vaults() {
    check_output_in(
        VAULT,
        "
    securityProtocol: SASL_PLAINTEXT
    sasl:
      mechanism: PLAIN
      username: u
      password: { secret: p, vault: shared }
",
        "
job.yaml:12:37: error[INVALID_VALUE]: `vault` is neither an address nor a name under `vaults`
 12 |       password: { secret: ****, vault: **** }
    |                                        ^^^^
    = help: write `https://NAME.vault.azure.net`, or add `vaults` at the top of the file
",
    );
}

#[test]
fn objects_of_a_vault_have_names_and_versions() {
    check_output_in(
        VAULT,
        "
    securityProtocol: SASL_SSL
    truststore: { certificate: my_ca, version: v1 }
    sasl:
      mechanism: PLAIN
      username: u
      password: { secret: 'my password' }
",
        "
job.yaml:9:32: error[INVALID_VALUE]: `certificate` is not the name of a certificate in a vault
 9 |     truststore: { certificate: ****, version: v1 }
   |                                ^^^^
   = help: use 1 to 127 letters, digits and `-`
job.yaml:9:48: error[INVALID_VALUE]: `version` is not the version of a certificate in a vault
 9 |     truststore: { certificate: ****, version: v1 }
   |                                               ^^
   = help: write its 32 letters and digits, or take it out to have the newest
job.yaml:13:27: error[INVALID_VALUE]: `secret` is not the name of a secret in a vault
 13 |       password: { secret: **** }
    |                           ^^^^
    = help: use 1 to 127 letters, digits and `-`
3 faults in job.yaml
",
    );
}

#[test]
fn a_version_of_digits_needs_quotes() {
    check_output_in(
        VAULT,
        "
    securityProtocol: SASL_PLAINTEXT
    sasl:
      mechanism: PLAIN
      username: u
      password: { secret: p, version: 12345678901234567890123456789012 }
",
        "
job.yaml:12:39: error[WRONG_TYPE]: `version` must be text, but is a number
 12 |       password: { secret: ****, version: **** }
    |                                          ^^^^
    = help: put quotes around it, so that YAML takes it for text
",
    );
}

#[test]
fn a_detail_of_a_vault_stands_beside_an_object() {
    check_output(
        "
    securityProtocol: SASL_PLAINTEXT
    sasl:
      mechanism: PLAIN
      username: u
      password: { env: P, vault: shared, version: x }
",
        "
job.yaml:10:27: error[CONFLICT]: `vault` belongs to a vault, but `password` has `env`
 10 |       password: { env: ****, vault: ****, version: **** }
    |                              ^^^^^
    = help: take `vault` out
job.yaml:10:42: error[CONFLICT]: `version` belongs to a vault, but `password` has `env`
 10 |       password: { env: ****, vault: ****, version: **** }
    |                                           ^^^^^^^
    = help: take `version` out
2 faults in job.yaml
",
    );
}

#[test]
fn a_detail_alone_says_nothing() {
    check_output_in(
        VAULT,
        "
    securityProtocol: SASL_PLAINTEXT
    sasl:
      mechanism: PLAIN
      username: u
      password: { vault: shared }
",
        "
job.yaml:12:7: error[MISSING_KEY]: `password` does not say where the secret stands
 12 |       password: { vault: **** }
    |       ^^^^^^^^
    = help: write `{ secret: NAME }` for a secret in Key Vault, `{ file: PATH }` for a file or `{ env: NAME }` for an environment variable; `{ clearTextForTests: VALUE }` is for tests on this machine alone
",
    );
}

#[test]
fn a_password_is_no_certificate() {
    check_output_in(
        VAULT,
        "
    securityProtocol: SASL_PLAINTEXT
    sasl:
      mechanism: PLAIN
      username: u
      password: { certificate: c }
",
        "
job.yaml:12:19: error[CONFLICT]: `password` is no certificate
 12 |       password: { certificate: **** }
    |                   ^^^^^^^^^^^
    = help: write `{ secret: NAME }`: the certificate of a vault brings its key, and is named where certificates are
",
    );
}

#[test]
fn a_reference_has_one_way() {
    check_output_in(
        VAULT,
        "
    securityProtocol: SASL_SSL
    truststore: { certificate: c, secret: s, file: f }
    sasl:
      mechanism: PLAIN
      username: u
      password: { env: P }
",
        "
job.yaml:9:35: error[CONFLICT]: `truststore` has both `certificate` and `secret`
 9 |     truststore: { certificate: ****, secret: ****, file: f }
   |                                      ^^^^^^
   = help: keep one of the two
job.yaml:9:46: error[CONFLICT]: `truststore` has both `certificate` and `file`
 9 |     truststore: { certificate: ****, secret: ****, file: f }
   |                                                    ^^^^
   = help: keep one of the two
2 faults in job.yaml
",
    );
}

#[test]
fn a_misspelled_reference_names_the_nearest() {
    check_output(
        "
    securityProtocol: SASL_SSL
    truststore: { fil: /etc/ca.pem }
    sasl:
      mechanism: PLAIN
      username: { path: /u }
      password: { env: P }
",
        "
job.yaml:7:19: error[UNKNOWN_KEY]: `fil` is not a key of `truststore`
 7 |     truststore: { fil: /etc/ca.pem }
   |                   ^^^
   = help: did you mean `file`?
job.yaml:10:19: error[UNKNOWN_KEY]: `path` is not a key of `username`
 10 |       username: { path: **** }
    |                   ^^^^
    = help: the keys here are `secret`, `file`, `env`, `clearTextForTests`, `vault` and `version`
2 faults in job.yaml
",
    );
}

#[test]
fn certificates_are_named_not_written() {
    check_output(
        "
    securityProtocol: mTLS
    truststore: /etc/ca.pem
    clientCertificate: |
      MIIB
    clientKey: MIIB
",
        "
job.yaml:7:17: error[WRONG_TYPE]: `truststore` must say where certificates stand, but is text
 7 |     truststore: ****
   |                 ^^^^
   = help: write `{ certificate: NAME }` or `{ secret: NAME }` for what is in Key Vault, `{ file: PATH }` for a file or `{ env: NAME }` for an environment variable
job.yaml:9:7: error[WRONG_TYPE]: `clientCertificate` must say where certificates stand, but is text
 9 |       ****
   |       ^^^^
   = help: write `{ certificate: NAME }` or `{ secret: NAME }` for what is in Key Vault, `{ file: PATH }` for a file or `{ env: NAME }` for an environment variable
job.yaml:10:16: error[SECRET_IN_CLEAR]: `clientKey` holds a secret in clear text
 10 |     clientKey: ****
    |                ^^^^
    = help: write `{ secret: NAME }` for a secret in Key Vault, `{ file: PATH }` for a file or `{ env: NAME }` for an environment variable; `{ clearTextForTests: VALUE }` is for tests on this machine alone
3 faults in job.yaml
",
    );
}

#[test]
fn a_reference_is_a_map() {
    check_output(
        "
    securityProtocol: mTLS
    truststore: [a]
    clientCertificate:
    clientKey: {}
",
        "
job.yaml:7:5: error[WRONG_TYPE]: `truststore` does not say where certificates stand
 7 |     truststore: [****]
   |     ^^^^^^^^^^
   = help: write `{ certificate: NAME }` or `{ secret: NAME }` for what is in Key Vault, `{ file: PATH }` for a file or `{ env: NAME }` for an environment variable
job.yaml:8:5: error[WRONG_TYPE]: `clientCertificate` does not say where certificates stand
 8 |     clientCertificate:
   |     ^^^^^^^^^^^^^^^^^
   = help: write `{ certificate: NAME }` or `{ secret: NAME }` for what is in Key Vault, `{ file: PATH }` for a file or `{ env: NAME }` for an environment variable
job.yaml:9:5: error[MISSING_KEY]: `clientKey` does not say where the secret stands
 9 |     clientKey: {}
   |     ^^^^^^^^^
   = help: write `{ secret: NAME }` for a secret in Key Vault, `{ file: PATH }` for a file or `{ env: NAME }` for an environment variable; `{ clearTextForTests: VALUE }` is for tests on this machine alone
3 faults in job.yaml
",
    );
}

#[test]
fn a_user_name_is_text_or_a_reference() {
    check_output(
        "
    securityProtocol: SASL_PLAINTEXT
    sasl:
      mechanism: PLAIN
      username: 5
      password: { env: P }
",
        "
job.yaml:9:17: error[WRONG_TYPE]: `username` must be a user name, but is the number 5
 9 |       username: 5
   |                 ^
   = help: write `username: kafka-writer`
",
    );
}

#[test]
fn an_empty_user_name_is_none() {
    check_output(
        "
    securityProtocol: SASL_PLAINTEXT
    sasl:
      mechanism: PLAIN
      username: ''
      password: { env: P }
",
        "
job.yaml:9:17: error[INVALID_VALUE]: `username` is empty
 9 |       username: ''
   |                 ^^
   = help: write some text
",
    );
}

#[test]
fn clear_text_is_for_this_machine_wherever_it_stands() {
    check(
        "
name: j
outputs:
  - alias: a
    topic: t
    bootstrapServers: localhost:9092,kafka:9092
    securityProtocol: SASL_SSL
    truststore: { clearTextForTests: canary }
    clientCertificate: { clearTextForTests: canary }
    clientKey: { clearTextForTests: canary }
    sasl:
      mechanism: PLAIN
      username: { clearTextForTests: canary }
      password: { env: P }
",
        "
job.yaml:7:5: error[CLEAR_TEXT_NOT_ALLOWED]: `clearTextForTests` is not allowed with the broker `kafka:9092`
 7 |     truststore: { clearTextForTests: **** }
   |     ^^^^^^^^^^
   = help: it is for this machine alone; write `{ secret: NAME }`, `{ file: PATH }` or `{ env: NAME }`
job.yaml:8:5: error[CLEAR_TEXT_NOT_ALLOWED]: `clearTextForTests` is not allowed with the broker `kafka:9092`
 8 |     clientCertificate: { clearTextForTests: **** }
   |     ^^^^^^^^^^^^^^^^^
   = help: it is for this machine alone; write `{ secret: NAME }`, `{ file: PATH }` or `{ env: NAME }`
job.yaml:9:5: error[CLEAR_TEXT_NOT_ALLOWED]: `clearTextForTests` is not allowed with the broker `kafka:9092`
 9 |     clientKey: { clearTextForTests: **** }
   |     ^^^^^^^^^
   = help: it is for this machine alone; write `{ secret: NAME }`, `{ file: PATH }` or `{ env: NAME }`
job.yaml:12:7: error[CLEAR_TEXT_NOT_ALLOWED]: `clearTextForTests` is not allowed with the broker `kafka:9092`
 12 |       username: { clearTextForTests: **** }
    |       ^^^^^^^^
    = help: it is for this machine alone; write `{ secret: NAME }`, `{ file: PATH }` or `{ env: NAME }`
4 faults in job.yaml
",
    );
}
