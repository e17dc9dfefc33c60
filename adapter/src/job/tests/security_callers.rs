//! Every fault of a listener's TLS and tokens, and of who may write, with the text that a person
//! reads.

use super::{check, check_listen};

#[test]
fn tls_needs_a_certificate() {
    check_listen(
        "
    tls: { key: { file: k } }
",
        "
job.yaml:4:5: error[MISSING_KEY]: `tls` has no `certificate`
 4 |     tls: { key: { file: **** } }
   |     ^^^
   = help: add `certificate: { certificate: grpc-server }`
",
    );
}

#[test]
fn an_authority_is_what_its_keys_are_about() {
    check_listen(
        "
    tls:
      certificate: { file: s }
      clientCaPassword: { env: P }
      clientCertificate: Required
",
        "
job.yaml:6:7: error[CONFLICT]: `clientCaPassword` belongs to `clientCa`, which is not there
 6 |       clientCaPassword: { env: **** }
   |       ^^^^^^^^^^^^^^^^
   = help: add `clientCa`, or take `clientCaPassword` out
job.yaml:7:26: error[CONFLICT]: `clientCertificate` is given, but no `clientCa` whose certificates are taken
 7 |       clientCertificate: Required
   |                          ^^^^^^^^
   = help: add `clientCa`, or take `clientCertificate` out
2 faults in job.yaml
",
    );
}

#[test]
fn nobody_is_let_in_without_proof() {
    check_listen(
        "
    tls:
      certificate: { file: s }
      clientCa: { file: c }
      clientCertificate: Optional
",
        "
job.yaml:7:26: error[CONFLICT]: `clientCertificate: Optional` lets anybody in, since no tokens are asked for
 7 |       clientCertificate: Optional
   |                          ^^^^^^^^
   = help: add `tokens` beside `tls`, or write `clientCertificate: Required`
",
    );
}

#[test]
fn a_demand_is_one_of_two() {
    check_listen(
        "
    tls:
      certificate: { file: s }
      clientCa: { file: c }
      clientCertificate: Demanded
",
        "
job.yaml:7:26: error[UNKNOWN_VALUE]: this is not a value of `clientCertificate`
 7 |       clientCertificate: ****
   |                          ^^^^
   = help: the values are `Required` and `Optional`
",
    );
}

#[test]
fn plaintext_beside_tls_is_a_contradiction() {
    check_listen(
        "
    address: 0.0.0.0:7070
    allowPlaintext: true
    tls: { certificate: { file: s } }
",
        "
job.yaml:5:21: error[CONFLICT]: `allowPlaintext: true` contradicts `tls`: a listener speaks one of both
 5 |     allowPlaintext: true
   |                     ^^^^
   = help: take `allowPlaintext` out
",
    );
}

#[test]
fn tokens_are_not_sent_in_the_clear() {
    check_listen(
        "
    address: 0.0.0.0:7070
    allowPlaintext: true
    tokens: { tenant: 11111111-2222-3333-4444-555555555555, audiences: a, roles: [r] }
",
        "
job.yaml:4:14: error[PLAINTEXT_NOT_ALLOWED]: 0.0.0.0:7070 can be reached by other machines, and `tokens` need encryption
 4 |     address: 0.0.0.0:7070
   |              ^^^^^^^^^^^^
   = help: add `tls`, or listen on 127.0.0.1 or [::1]
",
    );
}

#[test]
fn clear_text_is_for_a_listener_on_this_machine() {
    check_listen(
        "
    address: 0.0.0.0:7070
    tls:
      certificate: { clearTextForTests: canary }
      key: { clearTextForTests: canary }
",
        "
job.yaml:6:7: error[CLEAR_TEXT_NOT_ALLOWED]: `clearTextForTests` is not allowed with the address `0.0.0.0:7070`
 6 |       certificate: { clearTextForTests: **** }
   |       ^^^^^^^^^^^
   = help: it is for this machine alone; write `{ secret: NAME }`, `{ file: PATH }` or `{ env: NAME }`
job.yaml:7:7: error[CLEAR_TEXT_NOT_ALLOWED]: `clearTextForTests` is not allowed with the address `0.0.0.0:7070`
 7 |       key: { clearTextForTests: **** }
   |       ^^^
   = help: it is for this machine alone; write `{ secret: NAME }`, `{ file: PATH }` or `{ env: NAME }`
2 faults in job.yaml
",
    );
}

#[test]
fn tokens_have_an_issuer_an_audience_and_callers() {
    check_listen(
        "
    tokens: {}
",
        "
job.yaml:4:5: error[MISSING_KEY]: `tokens` has no `audiences`
 4 |     tokens: {}
   |     ^^^^^^
   = help: add `audiences: api://kafka-output`
job.yaml:4:5: error[MISSING_KEY]: `tokens` does not say who issues them
 4 |     tokens: {}
   |     ^^^^^^
   = help: add `tenant: TENANT-ID` for Entra ID, or `issuer` and `keysUrl` for another issuer
job.yaml:4:5: error[MISSING_KEY]: `tokens` has neither `applications` nor `roles`: any application that can get a token for these `audiences` could write
 4 |     tokens: {}
   |     ^^^^^^
   = help: add `applications: [CLIENT-ID]`, or `roles: [ROLE]`
3 faults in job.yaml
",
    );
}

#[test]
fn an_issuer_has_keys() {
    check_listen(
        "
    tokens: { issuer: 'https://login.example.org', audiences: a, roles: [r] }
",
        "
job.yaml:4:5: error[MISSING_KEY]: `tokens` has an `issuer`, but no `keysUrl`
 4 |     tokens: { issuer: 'https://login.example.org', audiences: a, roles: [r] }
   |     ^^^^^^
   = help: add `keysUrl`, where the issuer's keys are (JWKS); or `tenant` for Entra ID
",
    );
}

#[test]
fn keys_are_of_an_issuer() {
    check_listen(
        "
    tokens: { keysUrl: 'https://login.example.org/k', audiences: a, roles: [r] }
",
        "
job.yaml:4:5: error[MISSING_KEY]: `tokens` has a `keysUrl`, but no `issuer`
 4 |     tokens: { keysUrl: 'https://login.example.org/k', audiences: a, roles: [r] }
   |     ^^^^^^
   = help: add `issuer`, exactly as tokens say it (`iss`); or `tenant` for Entra ID
",
    );
}

#[test]
fn tokens_are_checked_one_by_one() {
    check(
        r#"
name: j
listen:
  grpc:
    tokens:
      tenant: contoso.com
      issuer: login.example.org
      keysUrl: http://login.example.org/keys
      audiences: [a, a]
      applications: [engine]
      roles: [r, "a\nb"]
      clockSkew: 10m
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
"#,
        r#"
job.yaml:5:15: error[INVALID_VALUE]: `tenant` is not a GUID
 5 |       tenant: contoso.com
   |               ^^^^^^^^^^^
   = help: write hex digits, such as `11111111-2222-3333-4444-555555555555`
job.yaml:6:15: error[INVALID_VALUE]: `issuer` does not begin with `https://`
 6 |       issuer: login.example.org
   |               ^^^^^^^^^^^^^^^^^
   = help: write `https://HOST/PATH`; `http://` is for this machine alone
job.yaml:7:16: error[INVALID_VALUE]: `keysUrl` goes to another machine, and `http` is not encrypted
 7 |       keysUrl: http://login.example.org/keys
   |                ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   = help: write `https://HOST/PATH`; `http://` is for this machine alone
job.yaml:8:22: error[DUPLICATE_VALUE]: `audiences[1]` is there already
 8 |       audiences: [a, a]
   |                      ^
   = help: take one of the two out
job.yaml:9:22: error[INVALID_VALUE]: `applications[0]` is not a GUID
 9 |       applications: [engine]
   |                      ^^^^^^
   = help: write hex digits, such as `11111111-2222-3333-4444-555555555555`
job.yaml:10:18: error[INVALID_VALUE]: `roles[1]` holds a control character
 10 |       roles: [r, "a\nb"]
    |                  ^^^^^^
    = help: write one line of text
job.yaml:11:18: error[OUT_OF_RANGE]: `clockSkew` is 10m, which is out of its range
 11 |       clockSkew: 10m
    |                  ^^^
    = help: write at most 5m
7 faults in job.yaml
"#,
    );
}

#[test]
fn applications_of_a_tenant_are_guids() {
    check_listen(
        "
    tokens:
      tenant: 11111111-2222-3333-4444-555555555555
      audiences: a
      applications: [engine, 11111111-2222-3333-4444-555555555555, 11111111-2222-3333-4444-555555555555]
",
        "
job.yaml:7:22: error[INVALID_VALUE]: `applications[0]` is not a GUID
 7 |       applications: [engine, 11111111-2222-3333-4444-555555555555, 11111111-2222-3333-4444-555555555…
   |                      ^^^^^^
   = help: write hex digits, such as `11111111-2222-3333-4444-555555555555`
job.yaml:7:68: error[DUPLICATE_VALUE]: `applications[2]` is there already
 7 | …  applications: [engine, 11111111-2222-3333-4444-555555555555, 11111111-2222-3333-4444-555555555555]
   |                                                                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   = help: take one of the two out
2 faults in job.yaml
",
    );
}

#[test]
fn lists_of_tokens_hold_text() {
    check_listen(
        "
    tokens:
      tenant: 11111111-2222-3333-4444-555555555555
      audiences: []
      applications: 11111111-2222-3333-4444-555555555555
      roles: [5]
",
        "
job.yaml:6:7: error[OUT_OF_RANGE]: `audiences` is empty
 6 |       audiences: []
   |       ^^^^^^^^^
   = help: write at least one item, each on a line of its own after `- `
job.yaml:7:21: error[WRONG_TYPE]: `applications` must be a list, but is the text `11111111-2222-3333-4444-555555555555`
 7 |       applications: 11111111-2222-3333-4444-555555555555
   |                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
   = help: write each item below it, after `- `
job.yaml:8:15: error[WRONG_TYPE]: `roles[0]` must be text, but is the number 5
 8 |       roles: [5]
   |               ^
   = help: put quotes around it, so that YAML takes it for text
3 faults in job.yaml
",
    );
}

#[test]
fn writers_need_callers_with_names() {
    check(
        "
name: j
listen:
  grpc:
    reflection: true
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    writers:
      - { subject: CN=engine }
",
        "
job.yaml:9:5: error[CONFLICT]: `writers` names callers, but the listener does not ask who they are
 9 |     writers:
   |     ^^^^^^^
   = help: add `clientCa` under `listen.grpc.tls`, or `listen.grpc.tokens`; or take `writers` out
",
    );
}

#[test]
fn a_rule_is_of_what_callers_show() {
    check(
        "
name: j
listen:
  grpc:
    tls: { certificate: { file: s }, clientCa: { file: c } }
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    writers:
      - { subject: CN=engine }
      - { role: r }
      - { application: x }
",
        "
job.yaml:11:17: error[CONFLICT]: `role` is of a token, but the listener asks for none
 11 |       - { role: r }
    |                 ^
    = help: add `listen.grpc.tokens`, or name the caller by `subject` or `name`
job.yaml:12:24: error[CONFLICT]: `application` is of a token, but the listener asks for none
 12 |       - { application: x }
    |                        ^
    = help: add `listen.grpc.tokens`, or name the caller by `subject` or `name`
2 faults in job.yaml
",
    );
}

#[test]
fn a_rule_of_a_certificate_needs_certificates() {
    check(
        "
name: j
listen:
  grpc:
    tokens: { tenant: 11111111-2222-3333-4444-555555555555, audiences: a, roles: [r] }
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    writers:
      - { subject: CN=engine }
      - { name: engine.example.org }
",
        "
job.yaml:10:20: error[CONFLICT]: `subject` is of a client certificate, but the listener asks for none
 10 |       - { subject: CN=engine }
    |                    ^^^^^^^^^
    = help: add `clientCa` under `listen.grpc.tls`, or name the caller by `application` or `role`
job.yaml:11:17: error[CONFLICT]: `name` is of a client certificate, but the listener asks for none
 11 |       - { name: engine.example.org }
    |                 ^^^^^^^^^^^^^^^^^^
    = help: add `clientCa` under `listen.grpc.tls`, or name the caller by `application` or `role`
2 faults in job.yaml
",
    );
}

#[test]
fn a_rule_has_one_caller() {
    check(
        r#"
name: j
listen:
  grpc:
    tls: { certificate: { file: s }, clientCa: { file: c } }
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    writers:
      - { prefix: x }
      - { subject: CN=engine, name: engine }
      - { subject: CN=engine, prefix: "a\tb" }
"#,
        r#"
job.yaml:10:9: error[MISSING_KEY]: `writers[0]` does not say who may write
 10 |       - { prefix: x }
    |         ^
    = help: add `subject`, `name`, `application` or `role`
job.yaml:11:37: error[CONFLICT]: `writers[1]` has both `subject` and `name`
 11 |       - { subject: CN=engine, name: engine }
    |                                     ^^^^^^
    = help: keep one of the two; another rule may have the other
job.yaml:12:39: error[INVALID_VALUE]: `prefix` holds a control character, which no writer's id does
 12 |       - { subject: CN=engine, prefix: "a\tb" }
    |                                       ^^^^^^
    = help: write at most 256 bytes, such as `engine-1/`
3 faults in job.yaml
"#,
    );
}

#[test]
fn a_rule_is_there_once() {
    check(
        "
name: j
listen:
  grpc:
    tls: { certificate: { file: s }, clientCa: { file: c } }
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    writers:
      - { subject: CN=engine }
      - subject: CN=engine
        prefix: ''
      - { subject: CN=engine, prefix: a }
",
        "
job.yaml:11:9: error[DUPLICATE_VALUE]: `writers[1]` says the same as the rule on line 10
 11 |       - subject: CN=engine
    |         ^
    = help: take one of the two out
",
    );
}

#[test]
fn a_rule_is_of_an_application_that_is_let_in() {
    check(
        "
name: j
listen:
  grpc:
    tokens: { tenant: 11111111-2222-3333-4444-555555555555, audiences: a, applications: [11111111-2222-3333-4444-555555555555] }
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    writers:
      - { application: engine }
      - { application: 66666666-7777-8888-9999-000000000000 }
",
        "
job.yaml:10:24: error[INVALID_VALUE]: `application` is not a GUID
 10 |       - { application: engine }
    |                        ^^^^^^
    = help: write hex digits, such as `11111111-2222-3333-4444-555555555555`
job.yaml:11:24: error[CONFLICT]: `application` is `66666666-7777-8888-9999-000000000000`, which `listen.grpc.tokens` does not let in
 11 |       - { application: 66666666-7777-8888-9999-000000000000 }
    |                        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    = help: add it to `applications` there, or take the rule out
2 faults in job.yaml
",
    );
}

#[test]
fn an_empty_list_lets_nobody_in() {
    check(
        "
name: j
listen:
  grpc:
    reflection: true
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    writers: []
",
        "
job.yaml:9:5: error[OUT_OF_RANGE]: `writers` is empty
 9 |     writers: []
   |     ^^^^^^^
   = help: write at least one, or take it out
",
    );
}

#[test]
fn a_rule_is_a_map() {
    check(
        "
name: j
listen:
  grpc:
    tls: { certificate: { file: s }, clientCa: { file: c } }
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    writers: [CN=engine, { subjekt: CN=engine }]
",
        "
job.yaml:9:15: error[WRONG_TYPE]: `writers[0]` must be a map, but is the text `CN=engine`
 9 |     writers: [CN=engine, { subjekt: CN=engine }]
   |               ^^^^^^^^^
   = help: write its keys below it, indented
job.yaml:9:28: error[UNKNOWN_KEY]: `subjekt` is not a key of `writers[1]`
 9 |     writers: [CN=engine, { subjekt: CN=engine }]
   |                            ^^^^^^^
   = help: did you mean `subject`?
2 faults in job.yaml
",
    );
}

#[test]
fn a_subject_is_a_name_whose_attributes_are_known() {
    check(
        r"
name: j
listen:
  grpc:
    tls: { certificate: { file: s }, clientCa: { file: c } }
outputs:
  - alias: a
    topic: t
    bootstrapServers: kafka:9092
    writers:
      - { subject: engine }
      - { subject: 'C = US, O = Contoso, CN = engine, emailAddress = e@contoso.com' }
      - { subject: 'CM=engine' }
      - { subject: 'CN=engine,organisationName=Contoso' }
      - { subject: 'CN=engine,' }
",
        r"
job.yaml:12:20: error[INVALID_VALUE]: `subject` has an attribute that is not known, `CM`
 12 |       - { subject: 'CM=engine' }
    |                    ^^^^^^^^^^^
    = help: did you mean `CN`?
job.yaml:13:20: error[INVALID_VALUE]: `subject` has an attribute that is not known, `organisationName`
 13 |       - { subject: 'CN=engine,organisationName=Contoso' }
    |                    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
    = help: did you mean `organizationName`?
job.yaml:14:20: error[INVALID_VALUE]: `subject` has a part without `=`
 14 |       - { subject: 'CN=engine,' }
    |                    ^^^^^^^^^^^^
    = help: write it as RFC 4514 does, such as `CN=engine,O=Contoso`
3 faults in job.yaml
",
    );
}
