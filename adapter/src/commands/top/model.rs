//! What `/status` says, and what changed between two looks at it.
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::commands::transactions::words::clean;

/// `/status`, as far as it is shown.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    job: String,
    version: String,
    /// Tells one run of the service from another.
    started: String,
    uptime_seconds: f64,
    ready: bool,
    draining: bool,
    memory_budget_bytes: u64,
    memory_used_bytes: u64,
    streams_max: u64,
    sessions: u64,
    outputs: Vec<OutputStatus>,
}

/// An output.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OutputStatus {
    alias: String,
    topic: String,
    guarantee: String,
    state: String,
    trouble: Option<Trouble>,
    partitions: u64,
    partitions_without_leader: u64,
    writers_live: u64,
    writers: Vec<Writer>,
    records_in_flight: u64,
    oldest_unacknowledged_seconds: Option<f64>,
    rows_received: u64,
    bytes_received: u64,
    backpressure_seconds: f64,
    batches: Batches,
    rows_not_encoded: u64,
    records_refused: u64,
    dead_letters: u64,
    credentials: Credentials,
}

/// Why something waits, and what to do.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Trouble {
    pub(super) code: String,
    pub(super) text: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Batches {
    durable: u64,
}

/// A writer.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Writer {
    pub(super) id: String,
    pub(super) live: bool,
    pub(super) durable_through: u64,
    pub(super) accepted_through: u64,
    pub(super) oldest_unacknowledged_seconds: Option<f64>,
}

/// What the brokers let the output in with.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Credentials {
    pub(super) in_use: Vec<Credential>,
    pub(super) trouble: Option<Trouble>,
}

/// A credential.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Credential {
    pub(super) purpose: String,
    pub(super) source: String,
    pub(super) subject: Option<String>,
    pub(super) version: Option<String>,
    pub(super) expires: Option<String>,
}

/// What is shown of one look, with what changed since the one before.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct View {
    pub(super) job: String,
    pub(super) version: String,
    pub(super) ready: bool,
    pub(super) draining: bool,
    pub(super) uptime_seconds: f64,
    pub(super) memory_used_bytes: u64,
    pub(super) memory_budget_bytes: u64,
    pub(super) sessions: u64,
    pub(super) streams_max: u64,
    /// The worst first.
    pub(super) outputs: Vec<OutputView>,
}

/// An output. What changes has no value where there is nothing to compare with.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OutputView {
    pub(super) alias: String,
    pub(super) topic: String,
    pub(super) guarantee: String,
    pub(super) state: String,
    pub(super) code: Option<String>,
    pub(super) rows_per_second: Option<f64>,
    pub(super) bytes_per_second: Option<f64>,
    pub(super) batches_per_second: Option<f64>,
    pub(super) records_in_flight: u64,
    pub(super) oldest_unacknowledged_seconds: Option<f64>,
    /// The part of their time that live writers waited for memory or for a leader.
    pub(super) backpressure_share: Option<f64>,
    pub(super) writers_live: u64,
    pub(super) partitions: u64,
    pub(super) partitions_without_leader: u64,
    pub(super) set_aside: u64,
    pub(super) dead_letters: u64,
    #[serde(skip)]
    pub(super) trouble: Option<Trouble>,
    #[serde(skip)]
    pub(super) writers: Vec<Writer>,
    #[serde(skip)]
    pub(super) credentials: Credentials,
}

impl Status {
    /// Reads an answer. Names of others come without what would move a terminal's cursor.
    ///
    /// # Errors
    /// If it is another service's, or another version's.
    pub(super) fn read(mut answer: Value) -> Result<Self, String> {
        clean_all(&mut answer);
        serde_json::from_value(answer)
            .map_err(|error| format!("what answers is no kafka-output of this version: {error}"))
    }

    /// What is shown of it, compared with the look before.
    pub(super) fn view(&self, before: Option<&Self>) -> View {
        // Another run of the service counts from zero.
        let before = before.filter(|before| before.started == self.started);
        let seconds = before.map_or(0.0, |before| self.uptime_seconds - before.uptime_seconds);
        let mut outputs: Vec<_> = self
            .outputs
            .iter()
            .map(|now| {
                let same = |then: &&OutputStatus| then.alias == now.alias;
                let then = before.and_then(|before| before.outputs.iter().find(same));
                now.view(then.filter(|_| seconds > 0.0), seconds)
            })
            .collect();
        outputs.sort_by(|a, b| {
            let (a_age, b_age) = (a.age(), b.age());
            a.rank().cmp(&b.rank()).then(b_age.total_cmp(&a_age)).then(a.alias.cmp(&b.alias))
        });
        View {
            job: self.job.clone(),
            version: self.version.clone(),
            ready: self.ready,
            draining: self.draining,
            uptime_seconds: self.uptime_seconds,
            memory_used_bytes: self.memory_used_bytes,
            memory_budget_bytes: self.memory_budget_bytes,
            sessions: self.sessions,
            streams_max: self.streams_max,
            outputs,
        }
    }
}

impl OutputStatus {
    fn view(&self, then: Option<&Self>, seconds: f64) -> OutputView {
        // An output that was made anew counts from zero, too.
        let then = then.filter(|then| then.rows_received <= self.rows_received);
        let rate = |of: fn(&Self) -> u64| {
            then.map(|then| of(self).saturating_sub(of(then)) as f64 / seconds)
        };
        let waited = then.map(|then| self.backpressure_seconds - then.backpressure_seconds);
        let writers = self.writers_live.max(1) as f64;
        OutputView {
            alias: self.alias.clone(),
            topic: self.topic.clone(),
            guarantee: self.guarantee.clone(),
            state: self.state.clone(),
            code: self.trouble.as_ref().map(|trouble| trouble.code.clone()),
            rows_per_second: rate(|output| output.rows_received),
            bytes_per_second: rate(|output| output.bytes_received),
            batches_per_second: rate(|output| output.batches.durable),
            records_in_flight: self.records_in_flight,
            oldest_unacknowledged_seconds: self.oldest_unacknowledged_seconds,
            // Waits are counted once a second, and may have begun before the look before.
            backpressure_share: waited.map(|waited| (waited / seconds / writers).clamp(0.0, 1.0)),
            writers_live: self.writers_live,
            partitions: self.partitions,
            partitions_without_leader: self.partitions_without_leader,
            set_aside: self.rows_not_encoded + self.records_refused,
            dead_letters: self.dead_letters,
            trouble: self.trouble.clone(),
            writers: self.writers.clone(),
            credentials: self.credentials.clone(),
        }
    }
}

impl OutputView {
    /// How bad it is; 0 is the worst.
    fn rank(&self) -> u8 {
        match (&*self.state, &self.trouble) {
            ("Unavailable", _) => 0,
            ("Ready", Some(_)) => 2,
            ("Ready", None) if self.credentials.trouble.is_some() => 3,
            ("Ready", None) => 4,
            // It has not begun, or somebody has stopped it.
            _ => 1,
        }
    }

    /// Whether somebody should look at it.
    pub(super) fn is_well(&self) -> bool {
        self.rank() == 4
    }

    fn age(&self) -> f64 {
        self.oldest_unacknowledged_seconds.unwrap_or(0.0)
    }
}

fn clean_all(value: &mut Value) {
    match value {
        Value::String(text) if text.contains(char::is_control) => *text = clean(text),
        Value::Array(items) => items.iter_mut().for_each(clean_all),
        Value::Object(map) => map.values_mut().for_each(clean_all),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// An output that is well.
    pub(in crate::commands::top) fn output(alias: &str, rows: u64) -> Value {
        json!({
            "alias": alias, "topic": "t", "guarantee": "atLeastOnce", "state": "Ready",
            "trouble": null, "partitions": 6, "partitionsWithoutLeader": 0, "writersLive": 2,
            "writers": [{ "id": "query-7/0", "live": true, "durableThrough": 4,
                "acceptedThrough": 5, "oldestUnacknowledgedSeconds": 0.25 }],
            "recordsInFlight": 12, "oldestUnacknowledgedSeconds": 0.25, "rowsReceived": rows,
            "bytesReceived": rows * 100, "backpressureSeconds": rows as f64 / 1000.0,
            "batches": { "durable": rows / 10, "refused": 0, "unknown": 0, "repeated": 0 },
            "rowsNotEncoded": 3, "recordsRefused": 1, "deadLetters": 2,
            "credentials": { "inUse": [{ "purpose": "clientCertificate",
                "source": "file client.pem", "subject": "CN=a", "version": null,
                "expires": "2031-01-01T00:00:00Z" }], "trouble": null, "renewals": 0 },
        })
    }

    /// One that waits.
    pub(in crate::commands::top) fn waiting(alias: &str, state: &str, age: f64) -> Value {
        let mut output = output(alias, 0);
        output["state"] = state.into();
        output["oldestUnacknowledgedSeconds"] = age.into();
        let text = "topic `t` does not exist. Create the topic";
        output["trouble"] = json!({ "code": "TOPIC_NOT_FOUND", "text": text });
        output
    }

    pub(in crate::commands::top) fn status(uptime: f64, outputs: &[Value]) -> Status {
        Status::read(json!({
            "job": "flights", "version": "0.1.0", "started": "2026-01-01T00:00:00Z",
            "uptimeSeconds": uptime, "ready": true, "draining": false,
            "memoryBudgetBytes": 256 << 20, "memoryUsedBytes": 64 << 20, "streamsMax": 200,
            "sessions": 3, "outputs": outputs,
        }))
        .unwrap()
    }

    #[test]
    fn rates_are_differences_and_a_new_run_has_none() {
        let before = status(10.0, &[output("a", 1_000)]);
        let now = status(12.0, &[output("a", 5_000), output("b", 7)]);
        let view = now.view(Some(&before));
        let (a, b) = (&view.outputs[0], &view.outputs[1]);
        assert_eq!(a.rows_per_second, Some(2_000.0));
        assert_eq!(a.bytes_per_second, Some(200_000.0));
        assert_eq!(a.batches_per_second, Some(200.0));
        // Two writers waited four seconds in two, which is all that they had.
        assert_eq!(a.backpressure_share, Some(1.0));
        assert_eq!((b.rows_per_second, b.backpressure_share), (None, None), "it is new");
        assert_eq!(now.view(None).outputs[0].rows_per_second, None);
        let mut again = status(14.0, &[output("a", 6_000)]);
        again.started = "2026-01-01T00:01:00Z".to_owned();
        assert_eq!(again.view(Some(&now)).outputs[0].rows_per_second, None, "another run");
        let anew = status(14.0, &[output("a", 10)]);
        assert_eq!(anew.view(Some(&now)).outputs[0].rows_per_second, None, "it counts anew");
        assert_eq!(now.view(Some(&now)).outputs[0].rows_per_second, None, "no time has passed");
    }

    #[test]
    fn the_worst_comes_first() {
        let mut expiring = output("d", 0);
        expiring["credentials"]["trouble"] = json!({ "code": "VAULT_FORBIDDEN", "text": "" });
        let view = status(
            1.0,
            &[
                output("e", 0),
                expiring,
                waiting("c", "Ready", 5.0),
                waiting("b2", "Unavailable", 5.0),
                waiting("b1", "Unavailable", 60.0),
                waiting("starts", "Connecting", 0.0),
            ],
        )
        .view(None);
        let order: Vec<_> = view.outputs.iter().map(|output| &*output.alias).collect();
        assert_eq!(order, ["b1", "b2", "starts", "c", "d", "e"]);
        assert!(view.outputs.iter().all(|output| output.is_well() == (output.alias == "e")));
    }

    #[test]
    fn names_of_others_move_no_cursor() {
        let view = status(1.0, &[output("a\u{1b}[2J", 0)]).view(None);
        assert_eq!(view.outputs[0].alias, "a\\u{1b}[2J");
    }
}
