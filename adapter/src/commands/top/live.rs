//! The terminal while it is `top`'s: looks at the service, keys, and what is drawn of both.
use std::{
    io,
    time::{Duration, Instant, SystemTime},
};

use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::mpsc,
    task::AbortHandle,
    time::interval,
};

use super::{
    look,
    model::Status,
    screen::{Paint, Screen},
};
use crate::{
    exit::Exit,
    operator::{Operator, OperatorError},
};

/// How long a key may wait until the thread that reads keys sees that nobody wants them.
const KEYS_PAUSE: Duration = Duration::from_millis(200);

/// Ages on the screen grow although nothing happens.
const REDRAW: Duration = Duration::from_secs(1);

/// What the service said, or why it said nothing.
type Look = Result<Status, OperatorError>;

/// What is known of the service, and since when nobody has said anything.
pub(super) struct Seen {
    pub(super) now: Option<Status>,
    pub(super) before: Option<Status>,
    pub(super) silence: Option<Silence>,
}

/// The service does not answer.
pub(super) struct Silence {
    /// Since the last answer, or the first question.
    pub(super) since: SystemTime,
    pub(super) why: String,
}

/// Gives the terminal back, whatever happens.
struct Restored;

impl Drop for Restored {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

/// Ends the looks at the service.
struct Ends(AbortHandle);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Shows the service until a key or a signal ends it.
pub(super) async fn run(operator: Operator, every: Duration) -> Exit {
    let done = {
        let _restored = Restored;
        match ratatui::try_init() {
            Ok(terminal) => show(terminal, operator, every).await,
            Err(error) => Err(error),
        }
    };
    match done {
        Ok(()) => Exit::Done,
        Err(error) => {
            eprintln!("the terminal cannot be used: {error}; --once prints one table as text");
            Exit::Failure
        }
    }
}

async fn show(
    mut terminal: DefaultTerminal,
    operator: Operator,
    every: Duration,
) -> io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut screen = Screen::new(operator.authority(), Paint::of_environment());
    let (mut looks, _ends) = watch(operator, every);
    let mut keys = keys();
    let mut redraw = interval(REDRAW);
    let mut seen = Seen { now: None, before: None, silence: None };
    let (mut answered, mut answered_at) = (Instant::now(), SystemTime::now());
    loop {
        terminal.draw(|frame| screen.draw(frame, &seen))?;
        tokio::select! {
            look = looks.recv() => match look {
                Some(Ok(status)) => {
                    (answered, answered_at) = (Instant::now(), SystemTime::now());
                    seen.before = seen.now.replace(status);
                    seen.silence = None;
                }
                Some(Err(error)) => {
                    seen.silence = Some(Silence { since: answered_at, why: error.to_string() });
                }
                None => return Err(io::Error::other("nobody looks at the service any more")),
            },
            event = keys.recv() => match event {
                Some(Event::Key(key)) if quits(key) => return Ok(()),
                Some(Event::Key(key)) if key.kind != KeyEventKind::Release => screen.key(key.code),
                // Whatever else it is, such as another size, what is drawn next takes it in.
                Some(_) => {}
                None => return Err(io::Error::other("it has no keys any more")),
            },
            _ = redraw.tick() => {
                if answered.elapsed() > every + patience(every) && seen.silence.is_none() {
                    let why = "it is silent".to_owned();
                    seen.silence = Some(Silence { since: answered_at, why });
                }
            }
            _ = terminate.recv() => return Ok(()),
            _ = hangup.recv() => return Ok(()),
        }
    }
}

/// How long an answer may take until its lack is told.
fn patience(every: Duration) -> Duration {
    every.max(Duration::from_secs(2))
}

fn quits(key: KeyEvent) -> bool {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    matches!(key.code, KeyCode::Char('q' | 'Q')) || (control && key.code == KeyCode::Char('c'))
}

/// Looks at the service again and again.
fn watch(operator: Operator, every: Duration) -> (mpsc::Receiver<Look>, Ends) {
    let (sender, looks) = mpsc::channel(1);
    let task = tokio::spawn(async move {
        while sender.send(look(&operator).await).await.is_ok() {
            tokio::time::sleep(every).await;
        }
    });
    (looks, Ends(task.abort_handle()))
}

/// The keys, read by a thread of their own, which ends when nobody wants them.
fn keys() -> mpsc::Receiver<Event> {
    let (sender, keys) = mpsc::channel(16);
    std::thread::spawn(move || {
        while !sender.is_closed() {
            match event::poll(KEYS_PAUSE) {
                Ok(false) => {}
                Ok(true) => {
                    let sent = event::read().map(|event| sender.blocking_send(event));
                    if !matches!(sent, Ok(Ok(()))) {
                        return;
                    }
                }
                Err(_) => return,
            }
        }
    });
    keys
}
