//! Tokens: which are believed, and what is said of the others.
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use jsonwebtoken::{Algorithm, EncodingKey};
use kafka_output::grpc::callers::{KeySource, TokenCheck};
use serde_json::{Value, json};
use tonic::Code;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest,
};

use crate::{
    caller::{CALLS, Caller, denied, entrance},
    issuer::{
        APPLICATION, AUDIENCE, Issuer, claims, claims_with, encode, seconds_from_now, unsigned,
        wanted,
    },
    support::{Bench, Setup, engine::check, log, rows::batch},
};

/// Why a token is not believed, in the words of the log.
pub async fn fault(check: &TokenCheck, token: &str) -> String {
    check.check(token).await.expect_err("it is not believed").to_string()
}

#[tokio::test]
async fn a_good_token_says_who_its_owner_is() {
    let issuer = Issuer::new();
    let check = issuer.check();
    let said = check.check(&issuer.sign(&claims())).await.unwrap();
    assert_eq!(said.application.as_deref(), Some(APPLICATION));
    assert_eq!(said.roles, ["Rows.Read", "Rows.Write"]);

    // Version 1 names its application otherwise; audiences and roles may be one or several.
    let mut v1 = claims_with("azp", Value::Null);
    v1["appid"] = json!(APPLICATION);
    v1["aud"] = json!(["x", AUDIENCE]);
    v1["roles"] = json!("Rows.All");
    assert_eq!(check.check(&issuer.sign(&v1)).await.unwrap().roles, ["Rows.All"]);

    for (kid, algorithm) in [("rsa", Algorithm::PS256), ("ec", Algorithm::ES256)] {
        check.check(&issuer.sign_as(kid, algorithm, &claims())).await.unwrap();
    }
    // Clocks differ by a minute; times may have a fraction.
    for (claim, time) in [("exp", -50), ("nbf", 50)] {
        let near = claims_with(claim, json!(seconds_from_now(time) as f64 + 0.5));
        check.check(&issuer.sign(&near)).await.unwrap();
    }
    // Tenant, applications and roles are asked for where the job file names some.
    let lenient = issuer.check_with(|wanted| {
        (wanted.tenant, wanted.roles) = (None, Vec::new());
    });
    let mut bare = claims_with("roles", Value::Null);
    bare.as_object_mut().unwrap().remove("tid");
    lenient.check(&issuer.sign(&bare)).await.unwrap();
}

#[tokio::test]
async fn each_claim_by_itself_keeps_a_token_out() {
    let issuer = Issuer::new();
    let check = issuer.check();
    let hour_ago = json!(seconds_from_now(-3600));
    let cases = [
        ("iss", json!("https://login.microsoftonline.com/other/v2.0"), "claim `iss` is"),
        ("iss", json!(format!("{}/", crate::issuer::ISSUER)), "claim `iss` is"),
        ("iss", json!([crate::issuer::ISSUER]), "claim `iss` is"),
        ("iss", Value::Null, "claim `iss` is null"),
        ("aud", json!("api://rows2"), "claim `aud` is \"api://rows2\""),
        ("aud", json!([]), "claim `aud` is []"),
        ("aud", Value::Null, "claim `aud` is null"),
        ("tid", json!("99999999-0000-0000-0000-000000000000"), "claim `tid` is"),
        ("tid", Value::Null, "claim `tid` is null"),
        ("azp", json!("99999999-0000-0000-0000-000000000000"), "claim `azp or appid` is"),
        ("azp", Value::Null, "claim `azp or appid` is null"),
        ("roles", json!(["Rows.Read"]), "claim `roles` is [\"Rows.Read\"], wanted is Rows.Write"),
        ("roles", json!([["Rows.Write"]]), "claim `roles` is"),
        ("roles", Value::Null, "claim `roles` is null"),
        ("exp", hour_ago, "it ended 3"),
        ("exp", json!(seconds_from_now(-61)), "it ended 6"),
        ("exp", json!("soon"), "claim `exp` is \"soon\""),
        ("exp", json!(-1), "claim `exp` is -1"),
        ("exp", json!(1e300), "claim `exp` is"),
        ("exp", Value::Null, "claim `exp` is null"),
        ("nbf", json!(seconds_from_now(90)), "does not hold yet (`nbf`)"),
        ("nbf", json!("x"), "claim `nbf` is \"x\""),
    ];
    for (claim, value, expected) in cases {
        let said = fault(&check, &issuer.sign(&claims_with(claim, value.clone()))).await;
        assert!(said.contains(expected), "{claim} {value}: {said}");
    }
}

#[tokio::test]
async fn an_application_that_has_proven_nothing_is_none() {
    let issuer = Issuer::new();
    let by_id = issuer.check_with(|wanted| wanted.roles = Vec::new());
    let by_role = issuer.check_with(|wanted| wanted.applications = Vec::new());
    let with = |claim: &str, kind: Value| {
        let mut claims = claims_with(claim, kind);
        if claim == "appidacr" {
            claims["appid"] = claims.as_object_mut().unwrap().remove("azp").unwrap();
        }
        issuer.sign(&claims)
    };
    for claim in ["azpacr", "appidacr"] {
        for kind in ["1", "2"] {
            let said = by_id.check(&with(claim, json!(kind))).await.unwrap();
            assert_eq!(said.application.as_deref(), Some(APPLICATION));
        }
        // A public client: whoever knows its id can be it, for any user that logs in.
        for kind in [json!("0"), json!(0)] {
            let public = with(claim, kind);
            let said = fault(&by_id, &public).await;
            assert!(said.contains(&format!("claim `{claim}` is")), "{said}");
            // Its roles are its own all the same, and no rule takes it for the application.
            assert_eq!(by_role.check(&public).await.unwrap().application, None);
        }
    }
}

#[tokio::test]
async fn signatures_of_any_other_kind_are_refused() {
    let issuer = Issuer::new();
    let check = issuer.check();
    let header = |alg: &str| json!({ "alg": alg, "kid": "rsa", "typ": "JWT" });
    for alg in ["none", "None", "nOnE", ""] {
        let said = fault(&check, &unsigned(&header(alg), &claims())).await;
        assert!(said.contains(&format!("algorithm `{alg}` is none")), "{said}");
    }
    // The public key as the secret of an HMAC, in every form that it has.
    let jwk = issuer.jwk();
    let modulus = jwk["n"].as_str().unwrap().to_owned();
    for secret in [jwk.to_string(), modulus] {
        let secret = EncodingKey::from_secret(secret.as_bytes());
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let said = fault(&check, &encode(&secret, "rsa", algorithm, &claims())).await;
            assert!(said.contains("is none of the key's"), "{said}");
        }
    }
    // An issuer that shows a secret, an encryption key or a foreign curve does not help.
    issuer.publish("oct", &json!({ "kty": "oct", "kid": "oct", "k": "c2VjcmV0" }));
    let mut encryption = issuer.jwk();
    encryption["use"] = json!("enc");
    issuer.publish("enc", &encryption);
    let mut pinned = issuer.jwk();
    pinned["alg"] = json!("PS256");
    issuer.publish("pinned", &pinned);
    issuer.publish("odd", &json!({ "kty": "RSA", "n": "!", "e": "!" }));
    let secret = EncodingKey::from_secret(b"secret");
    let said = fault(&check, &encode(&secret, "oct", Algorithm::HS256, &claims())).await;
    assert!(said.contains("key `oct` is no RSA or P-256 key"), "{said}");
    let rs256 = |kid: &str| issuer.sign_as(kid, Algorithm::RS256, &claims());
    assert!(fault(&check, &rs256("enc")).await.contains("key `enc` is no RSA"));
    assert!(fault(&check, &rs256("pinned")).await.contains("algorithm `RS256`"));
    assert!(fault(&check, &rs256("odd")).await.contains("key `odd` is no RSA"));
    check.check(&issuer.sign_as("pinned", Algorithm::PS256, &claims())).await.unwrap();
    for algorithm in [Algorithm::RS384, Algorithm::RS512] {
        let said = fault(&check, &issuer.sign_as("rsa", algorithm, &claims())).await;
        assert!(said.contains("is none of the key's"), "{said}");
    }
    // The other key's signature, under either name; a signature of other claims; none.
    assert!(fault(&check, &issuer.sign_foreign(&claims())).await.contains("signature"));
    let said = fault(&check, &issuer.sign_as("ec", Algorithm::RS256, &claims())).await;
    assert!(said.contains("algorithm `RS256`"), "{said}");
    let (good, other) = (issuer.sign(&claims()), issuer.sign(&claims_with("sub", json!("me"))));
    let (_, signature) = good.rsplit_once('.').unwrap();
    let (signed, _) = other.rsplit_once('.').unwrap();
    assert!(fault(&check, &format!("{signed}.{signature}")).await.contains("signature"));
    assert!(fault(&check, &format!("{signed}.")).await.contains("signature"));
}

#[tokio::test]
async fn what_is_no_token_is_told() {
    let issuer = Issuer::new();
    let check = issuer.check();
    let header = |extra: Value| {
        let mut header = json!({ "alg": "RS256", "kid": "rsa" });
        header.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        header
    };
    let nameless = json!({ "alg": "RS256" });
    let cases = [
        (String::new(), "three parts"),
        ("a.b".to_owned(), "three parts"),
        ("a.b.c.d".to_owned(), "three parts"),
        ("?.?.?".to_owned(), "header is no JSON"),
        (unsigned(&json!([1]), &claims()), "header is no JSON"),
        (unsigned(&json!({ "kid": "rsa" }), &claims()), "names no `alg`"),
        (unsigned(&nameless, &claims()), "names no key"),
        (unsigned(&header(json!({ "kid": 7 })), &claims()), "names no key"),
        (unsigned(&header(json!({ "crit": ["x"] })), &claims()), "extensions"),
        (unsigned(&header(json!({ "kid": "who" })), &claims()), "the issuer has no key `who`"),
        ("x".repeat(13 << 10), "longer than 12 KiB"),
        (issuer.sign(&json!([1, 2])), "claims are no JSON object"),
    ];
    for (token, expected) in cases {
        let said = fault(&check, &token).await;
        assert!(said.contains(expected), "{said}");
    }
    // What stands in a header comes into the log, and must do no harm there.
    let evil = unsigned(&header(json!({ "kid": "a\n2026 ERROR \u{1b}[2J".repeat(99) })), &claims());
    let said = fault(&check, &evil).await;
    assert!(!said.contains(char::is_control) && said.len() < 400, "{said}");
}

#[tokio::test]
async fn a_token_is_verified_once_a_minute_and_keys_that_come_late_are_found() {
    let issuer = Issuer::new();
    let check = issuer.check();
    let token = issuer.sign(&claims());
    for _ in 0..1_000 {
        check.check(&token).await.unwrap();
    }
    assert_eq!(issuer.keys.asked.load(Ordering::SeqCst), 1);
    // A token that is remembered ends all the same.
    let short = issuer.check_with(|wanted| wanted.clock_skew = Duration::ZERO);
    let brief = issuer.sign(&claims_with("exp", json!(seconds_from_now(2))));
    short.check(&brief).await.unwrap();
    let ended = crate::support::until("it ends", async || short.check(&brief).await.err()).await;
    assert!(ended.to_string().contains("(`exp`)"), "{ended}");

    let late = issuer.sign_as("late", Algorithm::RS256, &claims());
    *issuer.keys.away.lock().unwrap() = true;
    assert!(fault(&check, &late).await.contains("its key `late` is not known: the keys do not"));
    *issuer.keys.away.lock().unwrap() = false;
    assert!(fault(&check, &late).await.contains("the issuer has no key `late`"));
    issuer.publish("late", &issuer.jwk());
    check.check(&late).await.unwrap();
}

/// Keys that do not come before they are let go.
struct Hanging {
    issuer: Issuer,
    hangs: AtomicBool,
    waiting: AtomicUsize,
}

#[tonic::async_trait]
impl KeySource for Hanging {
    async fn key(&self, kid: &str) -> Result<Option<Arc<str>>, keyvault::Error> {
        if kid != "rsa" {
            self.waiting.fetch_add(1, Ordering::SeqCst);
            while self.hangs.load(Ordering::SeqCst) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        self.issuer.keys.key(kid).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_who_wait_for_keys_are_bounded_and_hold_up_nobody() {
    let issuer = Issuer::new();
    let good = issuer.sign(&claims());
    let hanging = Arc::new(Hanging {
        issuer: Issuer::new(),
        hangs: AtomicBool::new(true),
        waiting: AtomicUsize::new(0),
    });
    let check = Arc::new(TokenCheck::new(wanted(), hanging.clone()));
    let unknown =
        |n: usize| unsigned(&json!({ "alg": "RS256", "kid": format!("k{n}") }), &claims());
    let waiting: Vec<_> = (0..64)
        .map(|n| {
            let (check, token) = (check.clone(), unknown(n));
            tokio::spawn(async move { check.check(&token).await })
        })
        .collect();
    crate::support::until("as many wait as may", async || {
        (hanging.waiting.load(Ordering::SeqCst) == 64).then_some(())
    })
    .await;
    let full = fault(&check, &unknown(1_000)).await;
    assert!(full.contains("too many callers wait for keys"), "{full}");
    // A key that is known needs no wait.
    check.check(&good).await.unwrap();
    hanging.hangs.store(false, Ordering::SeqCst);
    for waiting in waiting {
        assert!(waiting.await.unwrap().is_err());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_needs_a_token_but_the_probe() {
    log::keep();
    let issuer = Issuer::new();
    let entrance = entrance(None, Some(issuer.check()));
    let bench = Bench::with(Setup { entrance, ..Setup::default() }).await;
    bench.kafka().run_by_itself();
    let caller = Caller::plain(&bench).await;
    let good = caller.with(issuer.sign(&claims()));
    let expired = claims_with("exp", json!(seconds_from_now(-100)));
    let expired = caller.with(issuer.sign(&expired));
    for call in CALLS {
        good.call(call, "a", "w").await.unwrap();
        let (code, reason) = denied(caller.call(call, "a", "w").await);
        assert_eq!((code, &*reason), (Code::Unauthenticated, "TOKEN_MISSING"), "{call}");
        let (code, reason) = denied(expired.call(call, "a", "w").await);
        assert_eq!((code, &*reason), (Code::Unauthenticated, "TOKEN_INVALID"), "{call}");
    }
    assert_eq!(good.outputs().await.unwrap(), ["a"]);
    check(&caller.outputs().await.unwrap_err(), Code::Unauthenticated, "TOKEN_MISSING", "no", "no");
    log::line(&["a caller is denied", "no token"]).await;
    log::line(&["a caller is denied", "it ended 100 s ago (`exp`)", "127.0.0.1"]).await;

    // The keys cannot be had now: that is not the caller's fault.
    *issuer.keys.away.lock().unwrap() = true;
    let unknown = caller.with(issuer.sign_as("new", Algorithm::RS256, &claims()));
    let status = unknown.call("GetOutput", "a", "w").await.unwrap_err();
    check(&status, Code::Unavailable, "KEYS_UNAVAILABLE", "yes", "no");

    let mut health = HealthClient::new(caller.channel.clone());
    health.check(HealthCheckRequest::default()).await.unwrap();
    let watch = health.watch(HealthCheckRequest::default()).await.unwrap_err();
    assert_eq!(watch.code(), Code::Unauthenticated, "what lasts is for those who are let in");
    let mut reflection = ServerReflectionClient::new(caller.channel.clone());
    let message_request = Some(MessageRequest::ListServices(String::new()));
    let list = ServerReflectionRequest { host: String::new(), message_request };
    let status = reflection.server_reflection_info(tokio_stream::once(list.clone())).await;
    assert_eq!(status.unwrap_err().code(), Code::Unauthenticated);
    let mut request = tonic::Request::new(tokio_stream::once(list));
    let value = format!("bearer {}", issuer.sign(&claims())).parse().unwrap();
    request.metadata_mut().insert("authorization", value);
    let mut answers = reflection.server_reflection_info(request).await.unwrap().into_inner();
    assert!(answers.message().await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn authorization_that_is_no_token_or_far_too_long_is_refused() {
    let issuer = Issuer::new();
    let entrance = entrance(None, Some(issuer.check()));
    let bench = Bench::with(Setup { entrance, ..Setup::default() }).await;
    let caller = Caller::plain(&bench).await;
    let good = issuer.sign(&claims());
    let mut calls = proto::v1::kafka_output_service_client::KafkaOutputServiceClient::new(
        caller.channel.clone(),
    );
    let list = proto::v1::ListOutputsRequest {};
    for (values, reason) in [
        (vec!["Basic dXNlcjpwYXNz".to_owned()], "TOKEN_MISSING"),
        (vec!["Bearer".to_owned()], "TOKEN_MISSING"),
        (vec![good.clone()], "TOKEN_MISSING"),
        (vec!["Bearer  ".to_owned()], "TOKEN_INVALID"),
        (vec![format!("Bearer {good}"), format!("Bearer {good}")], "TOKEN_INVALID"),
        (vec![format!("Bearer {}", "x".repeat(13 << 10))], "TOKEN_INVALID"),
    ] {
        let mut request = tonic::Request::new(list);
        for value in values {
            request.metadata_mut().append("authorization", value.parse().unwrap());
        }
        let status = calls.list_outputs(request).await.unwrap_err();
        check(&status, Code::Unauthenticated, reason, "no", "no");
    }
    // Beyond what headers may have it does not come so far.
    let huge = caller.with("x".repeat(40 << 10));
    let status = huge.call("GetOutput", "a", "w").await.unwrap_err();
    assert!(!matches!(status.code(), Code::Ok | Code::NotFound), "{status:?}");
    caller.with(good).call("GetOutput", "a", "w").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_when_its_token_ends() {
    let issuer = Issuer::new();
    let tokens = issuer.check_with(|wanted| wanted.clock_skew = Duration::ZERO);
    let entrance = entrance(None, Some(tokens));
    let bench = Bench::with(Setup { entrance, ..Setup::default() }).await;
    bench.kafka().run_by_itself();
    let caller = Caller::plain(&bench).await;
    let brief = caller.with(issuer.sign(&claims_with("exp", json!(seconds_from_now(2)))));
    let mut stream = brief.stream("a", "w").await.unwrap();
    stream.opened().await;
    crate::support::until("the token ends", async || brief.call("GetOutput", "a", "w").await.err())
        .await;
    stream.schema(crate::support::rows::numbers()).await;
    stream.batch(batch(1)).await;
    stream.ack(1).await;
    let (_, reason) = denied(brief.call("Open", "a", "other").await);
    assert_eq!(reason, "TOKEN_INVALID", "a new stream needs a new token");
}
