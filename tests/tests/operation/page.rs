//! The status page in a real browser: what it says of faults, that it says so by itself, and that it
//! needs nothing from elsewhere and fits a telephone.

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
const AWAY: &str = "an-output-with-a-name-of-exactly-128-characters-which-no-telephone-has-room-for-\
    in-a-single-line-and-which-is-as-long-as-may-be-";

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
    browser.wait("it says that it is old", "!document.getElementById('lost').hidden");
    browser.screenshot("lost");
}
