//! The status page in a real browser: what it says of faults, that it says so by itself, and that
//! it needs nothing from elsewhere and fits a telephone.

use std::time::Duration;

use tests::{
    browser::Browser,
    engine::{
        Engine,
        job::{OUTPUT, job_of, output, with_admin},
        load::{Load, Pace},
    },
    kafka::{Broker, BrokerOptions, own_brokers, shared_broker, unique_topic},
    proxy::Proxy,
    service::Service,
};

/// As long as an alias may be, without a place to break it.
const AWAY: &str = "an-output-with-a-name-of-exactly-128-characters-which-no-telephone-has-\
    room-for-in-a-single-line-and-which-is-as-long-as-may-be_";

/// The width of a telephone.
const NARROW: u32 = 390;

/// Whether nothing is wider than the window, but for tables, which scroll in their own frame.
const FITS: &str = "document.documentElement.scrollWidth <= innerWidth && \
    [...document.querySelectorAll('body *')].every((one) => one.closest('.scroll') || \
    one.getBoundingClientRect().right <= innerWidth + 1)";

#[test]
fn the_page_tells_of_a_dead_output_and_of_its_return_by_itself() {
    let way = Proxy::start();
    let _own = own_brokers();
    let broker = Broker::start_behind(&way, &BrokerOptions::default());
    let (good, topic) = (shared_broker(), unique_topic("page"));
    good.admin().create_topic(&topic, 1, 1, &[]);
    broker.admin().create_topic("away", 1, 1, &[]);
    let outputs = [
        output(OUTPUT, &good.bootstrap(), &topic, ""),
        output(AWAY, &way.address().to_string(), "away", "socketTimeout: 2s"),
    ];
    let service = Service::start(&with_admin(&job_of(&outputs)));
    let engine = Engine::connect(&service);
    for alias in [OUTPUT, AWAY] {
        engine.wait_ready(alias);
    }
    let pace = Pace { batch_rows: 10, pause: Duration::from_millis(50) };
    let load = Load::start(&engine, AWAY, "query-7/partition-0", pace);
    load.wait_progress(10);

    let mut browser = Browser::start();
    let origin = format!("http://{}/", service.admin().address());
    browser.resize(1_000, 800);
    browser.open(&origin);
    browser.wait("all is well", "document.getElementById('verdict')?.textContent === 'ready'");
    browser
        .wait("rows are counted", "/rows in\\s+[1-9][0-9,]* \\/s/.test(document.body.innerText)");
    browser.screenshot("well");

    way.unplug();
    // Nobody reloads it.
    let dead = format!(
        "(() => {{ const card = document.querySelector('article'); \
         return card.querySelector('h2').textContent === '{AWAY}' \
         && card.querySelector('.pill').textContent === 'Unavailable' \
         && /^[A-Z_]+$/.test(card.querySelector('.trouble strong').textContent.trim()); }})()"
    );
    browser.wait("the dead output comes first, with its code", &dead);
    let said = browser.value("document.querySelector('article .trouble').textContent");
    let trouble = service.admin().output(AWAY)["trouble"].clone();
    let code = trouble["code"].as_str().unwrap();
    let said = said.as_str().unwrap();
    assert!(said.starts_with(code) && said.len() > code.len() + 20, "{said}: {trouble}");
    assert_eq!(browser.value(FITS), true);
    browser.screenshot("dead");
    browser.resize(NARROW, 844);
    browser.wait("it fits a telephone", FITS);
    browser.screenshot("dead-narrow");
    browser.prefer("dark");
    browser.screenshot("dead-narrow-dark");

    way.heal();
    way.reset();
    load.wait_progress(10);
    let well = "document.getElementById('verdict').textContent === 'ready' \
        && !document.querySelector('.trouble:not([hidden])')";
    browser.wait("nothing is wrong any more", well);
    assert_eq!(browser.value(FITS), true);
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:#?}");
    let requests = browser.requests();
    assert!(requests.iter().filter(|url| url.ends_with("/status")).count() > 3, "{requests:?}");
    let own = |url: &String| url.starts_with(&origin) || url.starts_with("data:");
    assert!(requests.iter().all(own), "{requests:?}");
    drop(load.stop());

    drop(service);
    // As if that were a while ago.
    browser.value("last -= 10000");
    browser.wait("it says that it is old", "!document.getElementById('lost').hidden");
    browser.screenshot("lost");
}

/// What else `/status` may say: a job file that was refused, certificates that end, what was
/// logged.
const MORE: &str = r#"
    const asked = window.fetch;
    const at = (days) => new Date(Date.now() + days * 86400000 - 1000).toISOString();
    const more = (status) => {
        const inUse = (subject, days) => ({ purpose: "clientCertificate", source: "vault",
            version: "7", subject, expires: at(days) });
        const wide = "x".repeat(300);
        status.outputs[0].setting = "Paused";
        status.outputs[1].credentials = { inUse: [inUse("CN=writer", 12)], checked: at(0) };
        status.certificate = { inUse: [inUse("CN=port", -1), inUse("CN=next", 400)],
            checked: at(0) };
        status.configuration = { generation: 3, loaded: at(-1), version: "8f3a", applied: 2,
            refused: 1, trouble: { code: "UNKNOWN_KEY", text: "outputs[0]: `tpic`; " + wide },
            troubleSince: at(0) };
        status.recentErrors = [
            { level: "warning", code: null, output: null, message: "late", count: 1, first: at(0),
                last: at(0), remedy: null },
            { level: "error", code: "TOPIC_NOT_FOUND", output: "out", count: 2345, first: at(-2),
                last: at(-1), remedy: "Create the topic.",
                message: "<img src=//evil.test/x> " + wide },
        ];
        return status;
    };
    window.fetch = async (...what) => {
        const answer = await asked(...what);
        const json = async () => more(await answer.json());
        return { ok: answer.ok, text: () => answer.text(), json };
    };
"#;

/// Two outputs, of which nothing is known but that their brokers are away.
#[test]
fn the_page_tells_what_was_logged_refused_and_what_ends() {
    let away = ["first", "second"].map(|alias| output(alias, "127.0.0.1:9", "t", ""));
    let service = Service::start(&with_admin(&job_of(&away)));
    let mut browser = Browser::start();
    let origin = format!("http://{}/", service.admin().address());
    browser.run_first(MORE);
    browser.resize(NARROW, 844);
    browser.open(&origin);
    browser.wait("errors are shown", "document.getElementById('errors')?.hidden === false");
    let errors = browser.value("document.getElementById('errors').innerText");
    let errors = errors.as_str().unwrap();
    let (code, late) = (errors.find("TOPIC_NOT_FOUND out"), errors.find("warning"));
    assert!(code.is_some() && code < late, "errors come before warnings: {errors}");
    assert!(errors.contains("2,345 times since 2 days ago, last 24.0 h ago"), "{errors}");
    assert!(errors.contains("What to do: Create the topic."), "{errors}");
    assert!(errors.contains("<img src=//evil.test/x>"), "it is text: {errors}");
    let service_said = browser.value("document.getElementById('service').innerText");
    let said = service_said.as_str().unwrap();
    assert!(said.contains("generation 3, loaded 24.0 h ago"), "{said}");
    assert!(
        said.contains("a newer job file was refused") && said.contains("UNKNOWN_KEY"),
        "{said}"
    );
    assert!(said.contains("CN=port") && said.contains("over"), "{said}");
    assert!(said.contains("in 400 days"), "{said}");
    let cards = browser.value("document.getElementById('outputs').innerText");
    let cards = cards.as_str().unwrap();
    assert!(cards.contains("Paused") && cards.contains("in 12 days"), "{cards}");
    let marked = "[...document.querySelectorAll('td.wait')].map((one) => one.innerText).join()";
    assert_eq!(browser.value(marked), "in 12 days");
    // With all outputs well the end of credentials is what the page says first.
    let verdict = "show({ ...before, ready: true, outputs: [] }), \
        document.getElementById('verdict').textContent";
    assert_eq!(browser.value(verdict), "ready, 1 credentials end soon");
    browser.wait("it shows all again", "document.querySelectorAll('article').length === 2");
    browser.wait("it fits a telephone", FITS);
    browser.screenshot("more-narrow");
    browser.resize(1_000, 800);
    assert_eq!(browser.value(FITS), true);
    browser.screenshot("more");
    let complaints = browser.complaints();
    assert!(complaints.is_empty(), "{complaints:#?}");
    let requests = browser.requests();
    let own = |url: &String| url.starts_with(&origin) || url.starts_with("data:");
    assert!(requests.iter().all(own), "{requests:?}");
}
