//! A virtual machine of Azure in small: a network namespace in which the metadata service has its
//! real address and vaults have their real names, without a proxy in between.

use std::{
    env, fs,
    net::SocketAddr,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tests::{
    azure::{Azure, Fault, IMDS, SYSTEM, USER},
    cache, is_long, process,
    wait::{DEADLINE, wait_until},
};

use super::asker::{Asker, secret, token};

/// Says to the test's second process that it is inside.
const INSIDE: &str = "KEYVAULT_TEST_INSIDE";
/// Names of vaults. Nobody listens at the second, there is no way to the third.
const HOSTS: &str = "127.0.0.1 localhost kv1.vault.azure.net\n\
                     127.0.0.2 kv2.vault.azure.net\n\
                     10.99.99.99 kv3.vault.azure.net\n";
/// Makes the namespace a machine: its first argument is the file of host names.
const SET_UP: &str = "ip link set lo up && ip addr add 169.254.169.254/32 dev lo && \
                      mount --bind \"$0\" /etc/hosts && exec \"$@\"";
/// How long the agent of a machine may be away while it is updated.
const UPDATE: Duration = Duration::from_secs(62);

#[test]
fn a_virtual_machine_asks_its_metadata_service_and_vaults_directly() {
    if env::var_os(INSIDE).is_some() {
        inside();
        return;
    }
    let unshare = ["unshare", "--map-root-user", "--net", "--mount"];
    let allowed = Command::new(unshare[0])
        .args(&unshare[1..])
        .arg("true")
        .stdin(Stdio::null())
        .output()
        .is_ok_and(|output| output.status.success());
    if !allowed {
        println!(
            "not run: this system does not let `unshare --map-root-user --net` make a network"
        );
        return;
    }
    let dir = cache::run_dir("machine-");
    let (hosts, log) = (dir.path().join("hosts"), dir.path().join("log"));
    fs::write(&hosts, HOSTS).unwrap();
    let mut command = process::command(unshare[0]);
    command.args(&unshare[1..]).args(["sh", "-c", SET_UP]).arg(&hosts);
    command.arg(env::current_exe().unwrap());
    let name = "ways::a_virtual_machine_asks_its_metadata_service_and_vaults_directly";
    command.args(["--exact", name, "--nocapture"]).env(INSIDE, "1");
    process::log_to(&mut command, &log);
    let status = process::Process::spawn(command).wait(3 * UPDATE);
    let said = process::tail(&log, 80);
    assert!(status.is_some_and(|status| status.success()), "{status:?}:\n{said}");
    assert!(said.contains("1 passed"), "{said}");
}

fn inside() {
    let tls: SocketAddr = "127.0.0.1:443".parse().unwrap();
    let azure = Azure::start_at(tls, "127.0.0.1:0".parse().unwrap());
    azure.vault("kv1").set("name", "CANARY");
    let bad = Asker::start(&azure, &direct(&azure), "system").fault(secret("kv1", "name"));
    assert_eq!(bad.code, "IDENTITY_UNREACHABLE", "{}", bad.text);
    assert!(bad.text.contains("169.254.169.254"), "{}", bad.text);
    drop(azure);

    let azure = Azure::start_at(tls, "169.254.169.254:80".parse().unwrap());
    azure.vault("kv1").set("name", "CANARY");
    identities(&azure);
    ways(&azure);
    update(&azure);
    assert_eq!(azure.proxied(), [""; 0]);
}

/// No proxy; whoever asked one for IMDS would fail.
fn direct(azure: &Azure) -> Vec<(String, String)> {
    let mut environment = azure.network();
    environment.retain(|(name, _)| name != "HTTPS_PROXY");
    environment.push(("http_proxy".into(), "http://127.0.0.1:9".into()));
    environment
}

fn identities(azure: &Azure) {
    for (identity, object_id) in [
        ("system".to_owned(), SYSTEM.object_id),
        (format!("client {}", USER.client_id), USER.object_id),
        (format!("object {}", USER.object_id), USER.object_id),
        (format!("resource {}", USER.resource_id), USER.object_id),
    ] {
        azure.vault("kv1").allow_only(&[object_id]);
        let mut asker = Asker::start(azure, &direct(azure), &identity);
        assert!(asker.ask(secret("kv1", "name")).is_ok(), "{identity}");
    }
    let mut asker = Asker::start(azure, &direct(azure), "client 99999999");
    assert_eq!(asker.fault(secret("kv1", "name")).code, "IDENTITY_NOT_ASSIGNED");
    azure.vault("kv1").allow_only(&[SYSTEM.object_id]);
}

fn ways(azure: &Azure) {
    let mut asker = Asker::start(azure, &direct(azure), "system");
    for (vault, code) in [
        ("kv2", "CONNECTION_REFUSED"),
        ("kv3", "NETWORK_UNREACHABLE"),
        ("kv-of-nobody", "NAME_NOT_RESOLVED"),
    ] {
        let bad = asker.fault(secret(vault, "name"));
        assert_eq!(bad.code, code, "{}", bad.text);
        assert!(bad.text.contains(vault), "{}", bad.text);
    }
    let mut excepted = direct(azure);
    excepted.push(("HTTPS_PROXY".into(), "http://127.0.0.1:9".into()));
    let mut asker = Asker::start(azure, &excepted, "system");
    assert_eq!(asker.fault(secret("kv1", "name")).code, "PROXY_FAILED");
    excepted.push(("NO_PROXY".into(), ".vault.azure.net".into()));
    let mut asker = Asker::start(azure, &excepted, "system");
    assert!(asker.ask(secret("kv1", "name")).is_ok());
}

/// The machine's agent is updated: who asks hears so in time, and one fetch goes on until it is
/// there again. In the long form it takes as long as in Azure.
fn update(azure: &Azure) {
    let start = Instant::now();
    azure.spoil(IMDS, Fault::status(410, "{}"));
    let mut asker = Asker::start(azure, &direct(azure), "system");
    let scope = "https://ns.servicebus.windows.net/.default";
    loop {
        let bad = asker.fault(token(scope));
        assert_eq!(bad.code, "IDENTITY_UPDATING");
        assert!(bad.text.contains("still being tried"), "{}", bad.text);
        if !is_long() || start.elapsed() >= UPDATE {
            break;
        }
        thread::sleep(Duration::from_millis(100));
    }
    azure.mend();
    wait_until("the fetch goes on and ends well", DEADLINE, || asker.ask(token(scope)).is_ok());
}
