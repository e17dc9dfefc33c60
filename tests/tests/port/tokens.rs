//! Tokens: of an issuer of our own, whose keys change, and of one that others wrote.

use keyvault::{
    Secret,
    token::{ClientCredentials, Issuer as TokenSource},
};
use proto::v1::Open;
use serde_json::json;
use tests::{
    certs::Authority,
    check,
    engine::load::Load,
    kafka::shared_broker,
    mock_issuer::{ENGINES, MockIssuer},
    oidc::{Issuer, Token},
    reader,
    service::Service,
};
use tokio::runtime::Runtime;

use super::{Caller, OUTPUT, PACE, check_denied, job, place::Place, server, wait_logged};

/// The keys of `listen.grpc` for tokens of an issuer.
fn grpc(place: &Place, issuer: &str, keys_url: &str, who: &str) -> String {
    format!(
        "address: '127.0.0.1:0', tls: {{ certificate: {} }}, tokens: {{ issuer: '{issuer}', \
         keysUrl: '{keys_url}', audiences: [rows], {who} }}",
        place.reference("server.pem")
    )
}

#[test]
fn tokens_are_checked_as_the_job_file_says_and_rules_go_by_them() {
    let (authority, place, issuer) = (Authority::new("Server"), Place::new(), Issuer::start());
    place.put("server.pem", server(&authority));
    let who = "applications: [app, other-app], roles: [Rows.Write]";
    let grpc = grpc(&place, issuer.url(), &issuer.keys_url(), who);
    let rules = "writers: [{ application: app, prefix: query/ }, { role: Rows.All }]";
    let (job, topic) = job("", &grpc, rules);
    let service = Service::start(&job);
    let address = service.address();
    let token = |app: &str, roles: &[&str]| {
        let token = Token::of("the-engine").claim("aud", json!("rows"));
        token.claim("azp", json!(app)).claim("roles", json!(roles))
    };
    let connect = |token: &Token| {
        let signed = issuer.sign(token);
        Caller { trusts: &authority, certificate: None, token: Some(&signed) }.connect(address)
    };
    let write = &["Rows.Write"][..];
    let engine = connect(&token("app", write)).unwrap();
    engine.wait_ready(OUTPUT);
    let load = Load::start(&engine, OUTPUT, "query/1", PACE);
    load.wait_progress(100);

    // The log says what is missing, and the answer does not.
    let open = |writer: &str| {
        let (output, writer_id) = (OUTPUT.to_owned(), writer.to_owned());
        engine.try_open(Open { output, writer_id, ..Open::default() })
    };
    check_denied(&open("else/1").unwrap_err(), "CALLER_NOT_ALLOWED", &["prefix", "else"]);
    wait_logged(&service, &["a caller is denied", "no prefix of the caller's", "the-engine"]);
    let all = connect(&token("other-app", &["Rows.Write", "Rows.All"])).unwrap();
    all.open(OUTPUT, "else/1");
    for (token, reason, missing) in [
        (token("other-app", write), "CALLER_NOT_ALLOWED", "none of the `writers`"),
        (token("third-app", write), "TOKEN_INVALID", "azp or appid"),
        (token("app", &["Rows.Read"]), "TOKEN_INVALID", "claim `roles`"),
        (token("app", write).claim("aud", json!("others")), "TOKEN_INVALID", "claim `aud`"),
        (token("app", write).claim("azpacr", json!("0")), "TOKEN_INVALID", "claim `azpacr`"),
        (token("app", write).lasts(-100), "TOKEN_INVALID", "it ended 1"),
        (token("app", write).key_id("unknown"), "TOKEN_INVALID", "has no key `unknown`"),
    ] {
        let refused = connect(&token).expect_err(missing);
        assert!(refused.contains(&format!("{reason:?}")), "{missing}: {refused}");
        assert!(!refused.contains(missing), "{refused}");
        wait_logged(&service, &["a caller is denied", missing]);
    }
    let bare = Caller { trusts: &authority, certificate: None, token: None };
    assert!(bare.connect(address).unwrap_err().contains("TOKEN_MISSING"));
    wait_logged(&service, &["a caller is denied", "no token"]);

    // A new key of the issuer is found.
    issuer.rotate();
    let signed = issuer.sign(&token("app", write));
    let caller = Caller { trusts: &authority, certificate: None, token: Some(&signed) };
    caller.wait_let_in(address);
    let sent = load.stop();
    sent.assert_unbroken();
    check::exactly(&reader::topic(&shared_broker().bootstrap(), &topic).records(), &[sent]);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a caller shows its token")]
fn tokens_of_an_issuer_that_others_wrote_are_taken() {
    let (authority, place, issuer) = (Authority::new("Server"), Place::new(), MockIssuer::start());
    place.put("server.pem", server(&authority));
    let url = issuer.url(ENGINES);
    let credentials = ClientCredentials {
        token_endpoint: format!("{url}/token"),
        trust_pem: None,
        client_id: "app".to_owned(),
        client_secret: Secret::from("secret".to_owned()),
        scope: None,
    };
    let source = TokenSource::new(credentials).unwrap();
    let token = Runtime::new().unwrap().block_on(source.token()).unwrap();
    let token = token.secret.expose_text().unwrap().to_owned();
    let caller = Caller { trusts: &authority, certificate: None, token: Some(&token) };
    for (applications, is_let_in) in
        [("applications: [app]", true), ("applications: [another]", false)]
    {
        let grpc = grpc(&place, &url, &format!("{url}/jwks"), applications);
        let service = Service::start(&job("", &grpc, "").0);
        let connected = caller.connect(service.address());
        assert_eq!(connected.is_ok(), is_let_in, "{applications}: {connected:?}");
    }
}
