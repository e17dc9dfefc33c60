//! A real browser without a window: Debian's Chromium, driven by its own DevTools protocol.
//!
//! Messages go through a pair of pipes (`--remote-debugging-pipe`), each ended by a NUL, so that
//! neither a port nor a driver is needed. Names of hosts are not looked up: only this machine can
//! be reached.

use std::{
    env,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{ChildStdin, ChildStdout, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    cache,
    process::{self, Process},
    wait::DEADLINE,
};

/// What Chromium is called where.
const PROGRAMS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

const ARGS: [&str; 12] = [
    "--headless",
    // Tests run as root in containers, and the pages are our own.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-sync",
    "--disable-extensions",
    "--disable-component-update",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
    "--remote-debugging-pipe",
    "about:blank",
];

/// A browser with one page; dropping it ends it.
pub struct Browser {
    // In this order: the process has to end before its directory goes.
    _process: Process,
    _dir: TempDir,
    to: ChildStdin,
    from: Receiver<Value>,
    asked: u64,
    session: String,
    events: Vec<Value>,
}

/// The program, if there is one.
fn program() -> Option<PathBuf> {
    let folders = env::var_os("PATH").unwrap_or_default();
    let files =
        env::split_paths(&folders).flat_map(|folder| PROGRAMS.map(|program| folder.join(program)));
    files.into_iter().find(|file| file.is_file())
}

impl Browser {
    /// Starts it.
    ///
    /// # Panics
    /// When there is none; `scripts/packages` installs it.
    pub fn start() -> Self {
        let program = program().expect("there is no Chromium: run scripts/packages");
        let dir = cache::run_dir("browser-");
        let mut command = process::command("sh");
        // It reads from descriptor 3 and writes to 4.
        let script = r#"exec "$@" 3<&0 4>&1 </dev/null >"$0" 2>&1"#;
        command.args(["-c", script]).arg(dir.path().join("log")).arg(program);
        command.arg(format!("--user-data-dir={}", dir.path().join("profile").display()));
        command.args(ARGS).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = Process::spawn(command);
        let (to, from) = process.pipes().expect("both were asked for");
        let from = read(from);
        let session = String::new();
        let mut browser =
            Self { _process: process, _dir: dir, to, from, asked: 0, session, events: Vec::new() };
        let page = browser.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": page["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", &attach);
        browser.session = attached["sessionId"].as_str().expect("a session has an id").to_owned();
        for domain in ["Page", "Network", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    /// Makes the page so wide, as on a telephone if that is narrow.
    pub fn resize(&mut self, width: u32, height: u32) {
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 2, "mobile": width < 600,
        });
        self.call("Emulation.setDeviceMetricsOverride", &size);
    }

    /// Prefers dark colours, or light ones.
    pub fn prefer(&mut self, scheme: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.call("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// Runs a script in each page that is opened from now on, before its own.
    pub fn run_first(&mut self, script: &str) {
        self.call("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": script }));
    }

    /// Opens a page.
    pub fn open(&mut self, url: &str) {
        let opened = self.call("Page.navigate", &json!({ "url": url }));
        assert_eq!(opened.get("errorText"), None, "{url}");
    }

    /// The value of an expression in the page.
    ///
    /// # Panics
    /// When it throws.
    pub fn value(&mut self, expression: &str) -> Value {
        let asked = json!({ "expression": expression, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", &asked);
        assert_eq!(answer.get("exceptionDetails"), None, "{expression}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    ///
    /// # Panics
    /// When that takes longer than the deadline; the text holds what the page shows.
    #[track_caller]
    pub fn wait(&mut self, what: &str, expression: &str) {
        let start = Instant::now();
        while self.value(expression) != true {
            if start.elapsed() > DEADLINE {
                let shown = self.value("document.body.innerText");
                panic!("not within {DEADLINE:?}: {what}\n{}", shown.as_str().unwrap_or_default());
            }
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// A picture of the whole page, in `$KAFKA_OUTPUT_SCREENSHOTS` if that is set.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn screenshot(&mut self, name: &str) {
        let Some(folder) = env::var_os("KAFKA_OUTPUT_SCREENSHOTS") else { return };
        let asked = json!({ "format": "png", "captureBeyondViewport": true });
        let answer = self.call("Page.captureScreenshot", &asked);
        let picture = STANDARD.decode(answer["data"].as_str().expect("a picture is base64"));
        let file = Path::new(&folder).join(name).with_extension("png");
        std::fs::write(file, picture.expect("a picture is base64")).expect("it can be written");
    }

    /// What was asked for over the network so far.
    pub fn requests(&mut self) -> Vec<String> {
        self.value("0"); // what came before this has been read
        let url = |event: &Value| event["params"]["request"]["url"].as_str().map(str::to_owned);
        let sent = |event: &&Value| event["method"] == "Network.requestWillBeSent";
        self.events.iter().filter(sent).filter_map(url).collect()
    }

    /// What the console holds that is no mere remark: exceptions, errors, warnings, what a policy
    /// has blocked.
    pub fn complaints(&mut self) -> Vec<Value> {
        self.value("0");
        let is_complaint = |event: &&Value| {
            let params = &event["params"];
            match event["method"].as_str() {
                Some("Runtime.exceptionThrown") => true,
                Some("Runtime.consoleAPICalled") => params["type"] != "log",
                Some("Log.entryAdded") => params["entry"]["level"] != "verbose",
                _ => false,
            }
        };
        self.events.iter().filter(is_complaint).cloned().collect()
    }

    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.asked += 1;
        let mut message = json!({ "id": self.asked, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = self.session.as_str().into();
        }
        let mut message = message.to_string();
        message.push('\0');
        self.to.write_all(message.as_bytes()).expect("the browser lives");
        loop {
            let answer = self.from.recv_timeout(DEADLINE);
            let answer = answer.unwrap_or_else(|error| panic!("{method}: no answer: {error}"));
            if answer["id"] == self.asked {
                assert_eq!(answer.get("error"), None, "{method}");
                return answer["result"].clone();
            }
            self.events.push(answer);
        }
    }
}

/// Its messages, read by a thread so that waiting for one has an end.
fn read(from: ChildStdout) -> Receiver<Value> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let messages = BufReader::new(from).split(0);
        for message in messages.map_while(Result::ok) {
            let message = serde_json::from_slice(&message).expect("DevTools speaks JSON");
            if sender.send(message).is_err() {
                return;
            }
        }
    });
    receiver
}
