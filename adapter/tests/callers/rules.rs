//! Who may write into which output, and as which writers, in every call.
use std::collections::BTreeMap;

use kafka_output::{
    grpc::ServerTls,
    job::{CallerRule, WriterRule},
};
use rcgen::SanType;
use serde_json::json;
use tonic::Code;

use crate::{
    caller::{CALLS, Caller, client_tls, denied, entrance, secure},
    issuer::{APPLICATION, Issuer, claims, claims_with},
    support::{
        Bench, Setup,
        certificates::{Authority, Leaf},
        engine::check,
        log,
    },
};

fn rule(caller: CallerRule, prefix: &str) -> WriterRule {
    WriterRule { caller, prefix: prefix.to_owned() }
}

/// The three outputs of the service: anyone's, those of some, nobody's.
const OUTPUTS: [&str; 3] = ["open", "shared", "closed"];

fn outputs(shared: Vec<WriterRule>) -> Setup {
    Setup {
        outputs: &OUTPUTS,
        rules: vec![("shared", shared), ("closed", Vec::new())],
        ..Setup::default()
    }
}

/// What a caller may call on each output with a writer id.
async fn allowed(caller: &Caller, writer_id: &str) -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut allowed = BTreeMap::new();
    for output in OUTPUTS {
        let mut calls = Vec::new();
        for call in CALLS {
            match caller.call(call, output, writer_id).await {
                Ok(()) => calls.push(call),
                // It may; the stream of the call before is not over yet.
                Err(status) if status.message().contains("a stream of this writer is live") => {
                    calls.push(call);
                }
                denial => {
                    let answer = denied(denial);
                    assert_eq!(answer, (Code::PermissionDenied, "CALLER_NOT_ALLOWED".to_owned()));
                }
            }
        }
        allowed.insert(output, calls);
    }
    allowed
}

/// [`CALLS`] that name no writer.
const UNNAMED: [&str; 2] = ["WriteOnce unnumbered", "GetOutput"];

#[tokio::test(flavor = "multi_thread")]
async fn tokens_open_what_the_rules_say() {
    log::keep();
    let issuer = Issuer::new();
    let tokens = issuer.check_with(|wanted| {
        (wanted.applications, wanted.roles) = (Vec::new(), vec!["Rows.Write".to_owned()]);
    });
    let setup = outputs(vec![
        rule(CallerRule::Application(APPLICATION.to_owned()), "own/"),
        rule(CallerRule::Role("Rows.All".to_owned()), ""),
    ]);
    let bench = Bench::with(Setup { entrance: entrance(None, Some(tokens)), ..setup }).await;
    bench.kafka.iter().for_each(|kafka| kafka.run_by_itself());
    let plain = Caller::plain(&bench).await;
    let app = plain.with(issuer.sign(&claims()));
    let mut of_all = claims_with("azp", json!("someone"));
    of_all["roles"] = json!(["Rows.Write", "Rows.All"]);
    let of_all = plain.with(issuer.sign(&of_all));
    let other = plain.with(issuer.sign(&claims_with("azp", json!("someone"))));

    let all = CALLS.to_vec();
    for (caller, writer_id, shared, shown) in [
        (&app, "own/1", all.clone(), vec!["open", "shared"]),
        (&app, "else/1", UNNAMED.to_vec(), vec!["open", "shared"]),
        (&of_all, "else/2", all.clone(), vec!["open", "shared"]),
        (&other, "own/2", Vec::new(), vec!["open"]),
    ] {
        let expected =
            BTreeMap::from([("open", all.clone()), ("shared", shared), ("closed", Vec::new())]);
        assert_eq!(allowed(caller, writer_id).await, expected, "{writer_id}");
        assert_eq!(caller.outputs().await.unwrap(), shown);
    }
    log::line(&["none of the `writers` of output `closed`", APPLICATION, "the-engine"]).await;
    log::line(&["no prefix of the caller's in output `shared` begins \"else/1\""]).await;

    // Names of outputs that are not the caller's are not told, either.
    let status = other.call("Open", "absent", "w").await.unwrap_err();
    check(&status, Code::NotFound, "OUTPUT_NOT_FOUND", "no", "no");
    assert!(status.message().contains("it has `open` ("), "{}", status.message());
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_open_what_the_rules_say() {
    log::keep();
    let authority = Authority::new("ca");
    let server = authority.sign(Leaf::server()).key_pair();
    let tls = ServerTls::new(&server, Some(&authority.trust()), false).unwrap();
    let setup = outputs(vec![
        rule(CallerRule::Subject("CN=exact,O=Contoso".parse().unwrap()), "exact/"),
        rule(CallerRule::Subject("CN=engine".parse().unwrap()), ""),
        rule(CallerRule::Subject("CN=mailed, E=e@contoso.com".parse().unwrap()), "mail/"),
        rule(CallerRule::Subject("street=1 Main St,CN=housed".parse().unwrap()), "street/"),
        rule(CallerRule::Name("engine.example".to_owned()), "dns/"),
        rule(CallerRule::Name("spiffe://example/engine".to_owned()), "uri/"),
    ]);
    let bench = Bench::with(Setup { entrance: entrance(Some(tls), None), ..setup }).await;
    bench.kafka.iter().for_each(|kafka| kafka.run_by_itself());
    let dns = SanType::DnsName("engine.example".try_into().unwrap());
    let uri = SanType::URI("spiffe://example/engine".try_into().unwrap());
    let named = |name, alternative: Vec<SanType>| Leaf { name, alternative, ..Leaf::client("") };
    let with = |name, attributes| Leaf { attributes, ..named((name, None), Vec::new()) };
    const EMAIL: &[u64] = &[1, 2, 840, 113549, 1, 9, 1];
    const STREET: &[u64] = &[2, 5, 4, 9];
    // One common name that looks like two parts.
    let forged = ("exact,O=Contoso", None);
    for (leaf, id, may) in [
        (named(("exact", Some("Contoso")), Vec::new()), "exact/1", true),
        (named(("exact", Some("Contoso")), Vec::new()), "x", false),
        (named(forged, Vec::new()), "exact/1", false),
        (named(("exact", None), Vec::new()), "exact/1", false),
        (named(("engine", Some("Any")), Vec::new()), "x", true),
        (with("mailed", vec![(EMAIL, "e@contoso.com")]), "mail/1", true),
        (with("mailed", vec![(EMAIL, "f@contoso.com")]), "mail/1", false),
        (with("mailed", Vec::new()), "mail/1", false),
        (with("housed", vec![(STREET, "1 Main St")]), "street/1", true),
        (with("housed", vec![(EMAIL, "1 Main St")]), "street/1", false),
        (named(("x", None), vec![dns.clone()]), "dns/1", true),
        (named(("x", None), vec![dns.clone()]), "uri/1", false),
        (named(("x", None), vec![dns, uri]), "uri/1", true),
        (named(("engine.example", None), Vec::new()), "dns/1", false),
    ] {
        let own = authority.sign(leaf);
        let endpoint = secure(&bench, client_tls(&authority, Some(&own)));
        let caller = Caller::over(endpoint).await.unwrap();
        let opened = caller.call("Open", "shared", id).await;
        assert_eq!(opened.is_ok(), may, "{id}");
        if !may {
            let answer = denied(opened);
            assert_eq!(answer, (Code::PermissionDenied, "CALLER_NOT_ALLOWED".to_owned()));
        }
    }
    // What is said of a caller shows which part it is.
    log::line(&["a caller is denied", r"certificate of CN=exact\,O=Contoso"]).await;
}
