//! `/outputs/ALIAS/tap`: records that are on their way to an output, for people on this machine.
//!
//! It shows rows, so it is never for other machines, whatever `remoteStatus` says, nor for the page
//! of somebody else in a browser of this one.
use std::{sync::Arc, time::Duration};

use axum::{
    Extension, Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use serde_json::json;
use serializers::Format;
use tokio::sync::Semaphore;
use url::form_urlencoded;

use super::{
    guard::refuses,
    routes::{Peer, text},
};
use crate::{
    job::near_names,
    observe::Observer,
    tap::{EVERY_MIN, Wanted},
};

/// Taps at once.
const TAPS_MAX: usize = 4;

/// Between two samples, on average, if nobody says.
const EVERY: Duration = Duration::from_millis(100);

#[derive(Clone)]
struct Taps {
    observer: Arc<Observer>,
    places: Arc<Semaphore>,
    allowed: bool,
}

/// The route. Without `allowed` it refuses everybody.
pub(super) fn router(observer: Arc<Observer>, allowed: bool) -> Router {
    let taps = Taps { observer, places: Arc::new(Semaphore::new(TAPS_MAX)), allowed };
    Router::new().route("/outputs/{alias}/tap", get(tap)).with_state(taps)
}

async fn tap(
    State(taps): State<Taps>,
    Path(alias): Path<String>,
    Extension(Peer(peer)): Extension<Peer>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let answer = |code, said: &str| text(code, "text/plain; charset=utf-8", said.to_owned() + "\n");
    if let Some(said) = refuses(peer, &headers).or_else(|| taps.forbids()) {
        return answer(StatusCode::FORBIDDEN, said);
    }
    let wanted = match wanted(uri.query().unwrap_or_default()) {
        Ok(wanted) => wanted,
        Err(said) => return answer(StatusCode::BAD_REQUEST, &said),
    };
    let outputs = taps.observer.shared.outputs.load();
    let Some(served) = outputs.iter().find(|served| served.output.alias == alias) else {
        let aliases = outputs.iter().map(|served| served.output.alias.as_str());
        return answer(StatusCode::NOT_FOUND, &unknown(&alias, aliases));
    };
    let Ok(place) = taps.places.try_acquire_owned() else {
        let said = format!("{TAPS_MAX} taps are open, and no more are served at once; end one");
        return answer(StatusCode::TOO_MANY_REQUESTS, &said);
    };
    let output = &served.output;
    let format = match output.format {
        Format::Json(_) => "Json",
        Format::Csv(_) => "Csv",
        Format::Avro(_) => "Avro",
    };
    let first = json!({ "output": output.alias, "topic": output.topic, "format": format });
    let tapping = output.taps.open(wanted, &first, place);
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, Body::from_stream(tapping)).into_response()
}

impl Taps {
    fn forbids(&self) -> Option<&'static str> {
        (!self.allowed).then_some("the job file forbids it: `listen.admin.tap` is false")
    }
}

/// What is asked for: `writer=ID`, `everyMs=COUNT`.
fn wanted(query: &str) -> Result<Wanted, String> {
    let mut wanted = Wanted { writer: None, every: EVERY };
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "writer" => wanted.writer = Some(value.into_owned()),
            "everyMs" => {
                let every = value.parse().map(Duration::from_millis);
                let every = every.ok().filter(|every| *every >= EVERY_MIN);
                let least = EVERY_MIN.as_millis();
                wanted.every = every.ok_or_else(|| {
                    format!("`everyMs` is a number of milliseconds, {least} at least")
                })?;
            }
            _ => return Err("there is no such parameter; there are `writer` and `everyMs`".into()),
        }
    }
    Ok(wanted)
}

/// What is said of an output that there is not.
fn unknown<'a>(alias: &str, aliases: impl Iterator<Item = &'a str> + Clone) -> String {
    let near = near_names(alias, aliases.clone());
    let (question, names): (_, Vec<&str>) = match near.is_empty() {
        true => ("those there are", aliases.collect()),
        false => ("did you mean", near),
    };
    let names: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    format!(
        "the service has no output `{}`; {question}: {}",
        alias.escape_debug(),
        names.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn rows_are_for_this_machine_and_not_for_pages_of_others() {
        let asked = |peer: &str, headers: &[(&'static str, &'static str)]| {
            let of = |(name, value): &(&'static str, &'static str)| {
                (name.parse().unwrap(), HeaderValue::from_static(value))
            };
            refuses(peer.parse().unwrap(), &headers.iter().map(of).collect()).is_some()
        };
        let here = "127.0.0.1:9";
        assert!(!asked(here, &[]) && !asked("[::1]:9", &[]) && !asked("[::ffff:127.0.0.1]:9", &[]));
        assert!(asked("10.0.0.7:9", &[]) && asked("10.0.0.7:9", &[("host", "localhost:7071")]));
        assert!(asked(here, &[("host", "evil.test:7071")]));
        assert!(!asked(here, &[("origin", "http://127.0.0.1:7071"), ("host", "127.0.0.1:7071")]));
        assert!(!asked(here, &[("origin", "http://[::1]:7071")]));
        assert!(asked(here, &[("origin", "https://evil.test")]));
        assert!(asked(here, &[("origin", "null")]));
        assert!(asked(here, &[("sec-fetch-site", "cross-site")]));
        assert!(!asked(here, &[("sec-fetch-site", "none")]));
    }

    #[test]
    fn a_query_is_taken_or_refused() {
        let hourly = wanted("writer=q%2F0+a&everyMs=3600000").unwrap();
        assert_eq!(hourly.writer.as_deref(), Some("q/0 a"));
        assert_eq!(hourly.every, Duration::from_secs(3600));
        assert_eq!(wanted("").unwrap(), Wanted { writer: None, every: EVERY });
        for query in ["everyMs=19", "everyMs=-1", "everyMs=", "writers=a", "&="] {
            assert!(wanted(query).is_err(), "{query}");
        }
    }

    #[test]
    fn an_output_that_there_is_not_is_told_with_near_names() {
        let aliases = ["delays", "late", "orders"];
        let said = unknown("delay", aliases.into_iter());
        assert_eq!(said, "the service has no output `delay`; did you mean: `delays`");
        let said = unknown("x\n", aliases.into_iter());
        assert!(said.contains("`x\\n`; those there are: `delays`, `late`, `orders`"), "{said}");
    }
}
