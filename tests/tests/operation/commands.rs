//! The commands of operators: `top`, `config print`, `support-bundle`.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use tests::{
    cache,
    engine::{
        Engine,
        job::{OUTPUT, job_of, output, with_admin},
    },
    kafka::{shared_broker, unique_topic},
    process,
    service::{Service, program},
    terminal::Terminal,
    wait::{DEADLINE, wait_until},
};

use super::{send, well};

/// Runs a command; returns how it ended, and what it printed.
fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let done = process::command(program()).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (done.status.code(), text(done.stdout), text(done.stderr))
}

/// The same of one that does what it was asked for.
fn done(arguments: &[&str]) -> String {
    let (code, stdout, stderr) = run(arguments);
    assert_eq!(code, Some(0), "{arguments:?}: {stdout}{stderr}");
    stdout
}

/// A job with an output that is well, and one whose brokers are nowhere.
fn half_well() -> String {
    let (broker, topic) = (shared_broker(), unique_topic("top"));
    broker.admin().create_topic(&topic, 2, 1, &[]);
    let good = output(OUTPUT, &broker.bootstrap(), &topic, "");
    with_admin(&job_of(&[good, output("nowhere", "127.0.0.1:9", "t", "")]))
}

/// Waits until the status says why the second output of [`half_well`] waits.
fn code_of_nowhere(service: &Service) -> String {
    let admin = service.admin();
    let code = || admin.output("nowhere")["trouble"]["code"].as_str().map(str::to_owned);
    wait_until("the broker that is nowhere is missed", DEADLINE, || {
        code().is_some_and(|code| code == "BROKER_UNREACHABLE")
    });
    code().unwrap()
}

#[test]
fn top_draws_the_outputs_what_is_wrong_and_survives_a_restart() {
    let job = half_well();
    let service = Service::start(&job);
    Engine::connect(&service).wait_ready(OUTPUT);
    let (code, at) = (code_of_nowhere(&service), service.admin().address().to_owned());
    let top = program();
    let top = top.to_str().unwrap();
    let mut screen = Terminal::start(&[top, "top", "--admin", &at, "--interval", "0.2"]);
    screen.see("tests: ready, kafka-output ");
    screen.see("in flight");
    screen.see(&code);
    screen.see("nowhere");
    screen.see(OUTPUT);
    // The worst is first, and so the first that is chosen.
    screen.key("enter");
    screen.see("what to do: ");
    screen.see("nowhere: ");
    screen.see("Writers: 0 live");
    screen.size(60, 20);
    screen.key("escape");
    screen.see("enter: writers");

    service.kill();
    screen.see("no answer since ");
    screen.see("nowhere");
    let again =
        job.replace("admin: { address: '127.0.0.1:0' }", &format!("admin: {{ address: '{at}' }}"));
    let again = Service::start(&again);
    screen.see("tests: ready");
    screen.key("down");
    screen.key("enter");
    screen.see(&format!("{OUTPUT}: Ready"));
    screen.key("q");
    assert_eq!(screen.end(), 0);
    drop(again);
}

#[test]
fn top_ends_in_good_order_by_a_signal_of_the_keyboard_although_nobody_answers() {
    let top = program();
    let mut screen = Terminal::start(&[top.to_str().unwrap(), "top", "--admin", "127.0.0.1:9"]);
    screen.see("no answer since ");
    screen.see("asking 127.0.0.1:9");
    screen.key("interrupt");
    assert_eq!(screen.end(), 0);
}

#[test]
fn top_is_a_table_or_objects_where_there_is_no_terminal() {
    let service = Service::start(&half_well());
    let engine = Engine::connect(&service);
    engine.wait_ready(OUTPUT);
    let (code, admin) = (code_of_nowhere(&service), service.admin());
    send(&engine, "w", 1);
    let table = done(&["top", "--admin", admin.address(), "--interval", "0.2"]);
    assert!(!table.contains('\x1b'), "{table}");
    let lines: Vec<_> = table.lines().collect();
    assert!(lines[2].starts_with("output"), "{table}");
    assert!(lines[3].starts_with("nowhere") && lines[3].contains(&code), "{table}");
    assert!(lines[4].starts_with(OUTPUT) && lines[4].contains("Ready"), "{table}");
    let arguments = ["--output", "json", "top", "--once", "--admin", admin.address()];
    let object: Value = serde_json::from_str(&done(&arguments)).unwrap();
    assert_eq!(object["job"], "tests");
    let [nowhere, good] = [0, 1].map(|at| object["outputs"][at].clone());
    assert_eq!((&nowhere["alias"], &nowhere["code"]), (&"nowhere".into(), &code.into()));
    assert_eq!((&good["alias"], &good["rowsPerSecond"]), (&OUTPUT.into(), &0.0.into()));
    let (code, _, stderr) = run(&["top", "--once", "--admin", "127.0.0.1:9"]);
    assert_eq!(code, Some(4), "{stderr}");
    assert!(stderr.contains("--admin HOST:PORT"), "{stderr}");
}

#[test]
fn the_running_job_is_the_one_that_config_prints() {
    let (_, service, _engine) = well("config", "batching: { linger: 7ms }");
    let path = service.dir().join("job.yaml");
    let printed = done(&["config", "print", path.to_str().unwrap()]);
    assert!(printed.contains("linger: 7ms\n"), "{printed}");
    assert_eq!(service.admin().get("/config").body, printed);
    // It is a job file again, and means the same.
    let again = service.dir().join("again.yaml");
    let again = again.to_str().unwrap();
    let sources = done(&["config", "print", path.to_str().unwrap(), "--sources"]);
    assert!(sources.contains("linger: 7ms  # line "), "{sources}");
    fs::write(again, &sources).unwrap();
    assert!(done(&["check", "--offline", again]).contains("is valid"));
    assert_eq!(done(&["config", "print", again]), printed);
    let json = done(&["config", "print", again, "--output", "json"]);
    fs::write(again, &json).unwrap();
    assert_eq!(done(&["config", "print", again]), printed);
    fs::write(again, "name: j\nouptuts: []\n").unwrap();
    let (code, stdout, stderr) = run(&["config", "print", again]);
    assert_eq!((code, stdout.as_str()), (Some(3), ""));
    assert!(stderr.contains("did you mean `outputs`"), "{stderr}");
}

#[test]
fn a_support_bundle_has_what_the_service_says_for_its_owner_alone() {
    let service = Service::start(&half_well());
    let engine = Engine::connect(&service);
    engine.wait_ready(OUTPUT);
    send(&engine, "w", 1);
    let (code, admin) = (code_of_nowhere(&service), service.admin());
    let dir = cache::run_dir("bundle-");
    let to = dir.path().join("bundle.tar.gz");
    let to = to.to_str().unwrap();
    let arguments = ["support-bundle", "--admin", admin.address(), "--to", to, "--output", "json"];
    let told: Value = serde_json::from_str(&done(&arguments)).unwrap();
    assert_eq!(told["bundle"], to);
    assert_eq!(told["missing"], Value::Array(Vec::new()));
    assert_eq!(fs::metadata(to).unwrap().permissions().mode() & 0o7777, 0o600);

    let inside = unpack(to, dir.path());
    let text = |name: &str| {
        let path = inside.join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    for name in told["files"].as_array().unwrap() {
        let name = name.as_str().unwrap();
        assert!(!text(name).is_empty(), "{name}");
        assert!(name == "README.txt" || text("README.txt").contains(name), "{name} is explained");
    }
    let status: Value = serde_json::from_str(&text("status.json")).unwrap();
    assert_eq!(status["outputs"][1]["trouble"]["code"], code);
    assert_eq!(text("config.yaml"), admin.get("/config").body);
    let rows = format!("kafka_output_rows_received_total{{output=\"{OUTPUT}\"}} 1000");
    assert!(text("metrics-1.txt").contains(&rows) && text("metrics-2.txt").contains(&rows));
    assert!(text("readyz.txt").starts_with("ready\n"));
    assert!(text("machine.txt").contains("kernel: Linux"));

    // Nothing is written over, and where nobody answers nothing is written.
    let arguments = ["support-bundle", "--admin", admin.address(), "--to", to];
    let (code, _, stderr) = run(&arguments);
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("name another file by --to"), "{stderr}");
    let nothing = dir.path().join("nothing.tar.gz");
    let nothing = nothing.to_str().unwrap();
    let (code, _, stderr) = run(&["support-bundle", "--admin", "127.0.0.1:9", "--to", nothing]);
    assert_eq!((code, Path::new(nothing).exists()), (Some(4), false), "{stderr}");
}

/// Unpacks a bundle by a program that others wrote; returns its folder.
fn unpack(bundle: &str, dir: &Path) -> PathBuf {
    let mut tar = Command::new("tar");
    let done = tar.args(["-xzf", bundle, "-C"]).arg(dir).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let mut folders = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    folders.find(|path| path.is_dir()).expect("a bundle is a folder")
}
