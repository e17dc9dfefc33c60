//! What is changed while the brokers run holds for whoever comes next, and for whom it should
//! among those who are there.

use std::thread;

use tests::{
    certs::{Authority, Pair, Template, authority},
    kafka::{
        Attempt, Listener, Mechanism, Right, SecureBrokers, SecureOptions, USER, own_brokers,
        shared_secure, unique_topic,
    },
    oidc::{Issuer, Token},
    proxy::Proxy,
    wait::{DEADLINE, wait_until},
};

use super::{ALERT, client, heard, refused, stored, with};

fn user(brokers: &SecureBrokers, mechanism: Mechanism, user: &str, password: &str) -> Attempt {
    client(brokers, Listener::SaslSsl).login(mechanism.name(), user, password)
}

#[test]
fn passwords_change_and_users_go() {
    let brokers = shared_secure();
    let topic = unique_topic("passwords");
    let name = "changing = \"user\": #1";
    brokers.create_topic(&topic, 1, name);
    for mechanism in Mechanism::ALL {
        brokers.set_password(mechanism, name, "first");
        user(&brokers, mechanism, name, "first").write(&topic).unwrap();
        brokers.set_password(mechanism, name, "second: \\ ü");
        refused(user(&brokers, mechanism, name, "first").connect(), "uthentication failed");
        user(&brokers, mechanism, name, "second: \\ ü").write(&topic).unwrap();
        brokers.delete_user(mechanism, name);
        refused(user(&brokers, mechanism, name, "second: \\ ü").connect(), "uthentication failed");
    }
    assert_eq!(stored(&brokers, &topic), 6);
}

#[test]
fn rights_are_given_and_taken() {
    let brokers = shared_secure();
    let topic = unique_topic("rights");
    brokers.admin().create_topic(&topic, 1, 1, &[]);
    brokers.set_password(Mechanism::Plain, "clerk", "secret");
    let clerk = user(&brokers, Mechanism::Plain, "clerk", "secret");
    let denied = "TopicAuthorizationFailed";
    refused(clerk.write(&topic), denied);
    brokers.allow("clerk", Right::Describe(&topic));
    refused(clerk.write(&topic), denied);
    brokers.allow("clerk", Right::Write(&topic));
    clerk.write(&topic).unwrap();
    brokers.disallow("clerk", Right::Write(&topic));
    refused(clerk.write(&topic), denied);
    assert_eq!(stored(&brokers, &topic), 1);
}

#[test]
fn certificates_and_authorities_are_replaced() {
    let _own = own_brokers();
    let proxies = [Proxy::start()];
    let options = SecureOptions::default().behind(Listener::Mtls, &proxies);
    let brokers = SecureBrokers::start(&options);
    let (topic, next) = (unique_topic("certificates"), Authority::new("Next authority"));
    brokers.create_topic(&topic, 1, USER);
    let writer = Template::client(USER);
    let (old, new) = (authority().issue(&writer), next.issue(&writer));
    let mtls = |pair: &Pair| with(client(&brokers, Listener::Mtls), pair);
    let there = mtls(&old).open().unwrap();
    there.write(&topic).unwrap();

    // While an authority is replaced, both hold.
    brokers.trust(Listener::Mtls, &[authority(), &next]);
    mtls(&old).write(&topic).unwrap();
    mtls(&new).write(&topic).unwrap();
    brokers.trust(Listener::Mtls, &[&next]);
    refused(heard(|| mtls(&old).connect()), ALERT);
    mtls(&new).write(&topic).unwrap();

    // Who is there stays until the connection is cut.
    there.write(&topic).unwrap();
    proxies[0].reset();
    wait_until("the old certificate is refused at last", DEADLINE, || {
        there.write(&topic).is_err_and(|said| said.iter().any(|text| text.contains(ALERT)))
    });

    // The server's own certificate, with another name and of another authority.
    let template = brokers.server_template().common_name("broker-next");
    brokers.serve(Listener::Mtls, &next.issue(&template));
    refused(mtls(&new).connect(), "certificate verify failed");
    let trusting = mtls(&new).set("ssl.ca.pem", &next.pem());
    trusting.write(&topic).unwrap();
    // The other listeners have theirs.
    client(&brokers, Listener::Tls).write(&topic).unwrap();
    assert_eq!(stored(&brokers, &topic), 7);
}

#[test]
fn a_brief_session_ends_with_its_password() {
    let brokers = shared_secure();
    let (topic, name) = (unique_topic("brief"), "brief");
    brokers.create_topic(&topic, 1, name);
    thread::scope(|scope| {
        for mechanism in Mechanism::ALL {
            let (brokers, topic) = (&brokers, &topic);
            scope.spawn(move || ask_again(brokers, topic, mechanism, name));
        }
    });
}

fn ask_again(brokers: &SecureBrokers, topic: &str, mechanism: Mechanism, name: &str) {
    brokers.set_password(mechanism, name, "good");
    let client = client(brokers, Listener::SaslBrief).login(mechanism.name(), name, "good");
    let client = client.open().unwrap();
    client.write(topic).unwrap();
    brokers.set_password(mechanism, name, "another");
    wait_until("the client is asked for its password again", DEADLINE, || {
        let ended = client.write(topic);
        ended.is_err_and(|said| said.iter().any(|text| text.contains("uthentication failed")))
    });
    brokers.set_password(mechanism, name, "good");
    wait_until("the client is let in again", DEADLINE, || client.write(topic).is_ok());
}

#[test]
fn three_brokers_are_changed_as_one() {
    let _own = own_brokers();
    let issuer = Issuer::start();
    let brokers = SecureBrokers::start(&SecureOptions::default().nodes(3).issuer(&issuer));
    let topic = unique_topic("three");
    brokers.create_topic(&topic, 3, USER);
    // A user.
    brokers.set_passwords("third", "secret");
    brokers.allow("third", Right::Write(&topic));
    for mechanism in Mechanism::ALL {
        user(&brokers, mechanism, "third", "secret").write(&topic).unwrap();
    }
    // The issuer's keys.
    let bearing = |token: &str| client(&brokers, Listener::SaslSsl).token(token);
    let old = issuer.sign(&Token::of(USER));
    bearing(&old).write(&topic).unwrap();
    issuer.rotate();
    let new = issuer.sign(&Token::of(USER));
    for token in [&old, &new] {
        bearing(token).write(&topic).unwrap();
    }
    issuer.retire();
    refused(bearing(&old).connect(), "invalid_token");
    bearing(&new).write(&topic).unwrap();
    // The clients' authority.
    let mtls = with(client(&brokers, Listener::Mtls), &authority().issue(&Template::client(USER)));
    mtls.write(&topic).unwrap();
    let next = Authority::new("Next authority");
    brokers.trust(Listener::Mtls, &[&next]);
    refused(heard(|| mtls.connect()), ALERT);
    // The servers' certificate.
    brokers.serve(Listener::SaslSsl, &next.issue(&brokers.server_template()));
    refused(bearing(&new).connect(), "certificate verify failed");
    bearing(&new).set("ssl.ca.pem", &next.pem()).write(&topic).unwrap();
    assert_eq!(stored(&brokers, &topic), 9);
}
