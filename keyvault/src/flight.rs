//! Work that is done once for everybody who wants its result at the same time.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

/// The pieces of work that are under way, by name. Its clones share them.
pub(crate) struct Flights<T>(Arc<Mutex<HashMap<String, Flight<T>>>>);

/// One piece of work that is under way, in a task of its own: nobody who stops waiting stops it.
pub(crate) struct Flight<T>(watch::Receiver<Option<T>>);

impl<T: Clone + Send + Sync + 'static> Flight<T> {
    /// Starts it.
    pub(crate) fn start(work: impl Future<Output = T> + Send + 'static) -> Self {
        let (sender, receiver) = watch::channel(None);
        tokio::spawn(async move { sender.send_replace(Some(work.await)) });
        Self(receiver)
    }

    /// Waits for its result; `None` if it has panicked.
    pub(crate) async fn result(mut self) -> Option<T> {
        self.0.wait_for(Option::is_some).await.ok()?.clone()
    }
}

impl<T> Clone for Flight<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Clone for Flights<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone + Send + Sync + 'static> Flights<T> {
    /// Joins the work of this name, or starts it.
    pub(crate) async fn join<W>(&self, name: &str, work: impl FnOnce() -> W) -> Option<T>
    where
        W: Future<Output = T> + Send + 'static,
    {
        let flight = {
            let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let start = || {
                let (work, landing) =
                    (work(), Landing { name: name.to_owned(), of: self.0.clone() });
                Flight::start(async move {
                    // Whoever comes after the result is known wants a newer one.
                    let _landing = landing;
                    work.await
                })
            };
            flights.entry(name.to_owned()).or_insert_with(start).clone()
        };
        flight.result().await
    }
}

/// Takes the work off the list however it ends.
struct Landing<T> {
    name: String,
    of: Arc<Mutex<HashMap<String, Flight<T>>>>,
}

impl<T> Drop for Landing<T> {
    fn drop(&mut self) {
        self.of.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn one_piece_of_work_serves_all() {
        let (flights, runs) = (Flights::default(), Arc::new(AtomicUsize::new(0)));
        let go = Arc::new(Notify::new());
        let work = || {
            let (runs, go) = (runs.clone(), go.clone());
            async move {
                go.notified().await;
                runs.fetch_add(1, Ordering::SeqCst) + 1
            }
        };
        let wake = async {
            tokio::task::yield_now().await;
            go.notify_one();
        };
        let (one, two, ()) = tokio::join!(flights.join("a", work), flights.join("a", work), wake);
        assert_eq!((one, two), (Some(1), Some(1)));
        go.notify_one();
        assert_eq!(flights.join("a", work).await, Some(2), "the next asks anew");
    }

    #[tokio::test]
    async fn a_panic_is_no_result_and_blocks_nobody() {
        let flights = Flights::<u8>::default();
        assert_eq!(flights.join("a", || async { panic!("on purpose") }).await, None);
        assert_eq!(flights.join("a", || async { 7 }).await, Some(7));
    }
}
