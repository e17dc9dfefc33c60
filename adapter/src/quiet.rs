//! Catches a panic without its message on stderr.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, UnwindSafe};
use std::sync::Once;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

static INSTALLED: Once = Once::new();

/// Puts a hook before the one that is set now: it passes on all panics but those that [`catch`]
/// is about to catch, on their own thread. Call it when the process has set its own hook.
pub(crate) fn install() {
    INSTALLED.call_once(|| {
        let next = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                next(info);
            }
        }));
    });
}

/// Calls `work`; a panic inside comes back as its message.
pub(crate) fn catch<T>(work: impl FnOnce() -> T + UnwindSafe) -> Result<T, String> {
    let before = QUIET.replace(true);
    let result = panic::catch_unwind(work);
    QUIET.set(before);
    result.map_err(|payload| message(payload.as_ref()).to_owned())
}

fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("unknown")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_comes_back_as_its_message_and_later_ones_are_heard_again() {
        install();
        assert_eq!(catch(|| 7), Ok(7));
        assert_eq!(catch(|| -> () { panic!("plain") }), Err("plain".to_owned()));
        let number = 3;
        assert_eq!(catch(|| -> () { panic!("number {number}") }), Err("number 3".to_owned()));
        assert!(!QUIET.get());
    }
}
