//! The primitives of the models: loom's, and tokio's channels by their contract.
pub use loom::sync::{Arc, Mutex, MutexGuard, atomic};

/// One value, once. Sending, dropping and looking are single steps, as tokio promises; what is
/// sent to a receiver that goes away is dropped with it.
pub mod oneshot {
    use std::{
        pin::Pin,
        task::{Context, Poll, Waker},
    };

    use loom::sync::{Arc, Mutex};

    struct Cell<T> {
        value: Option<T>,
        waker: Option<Waker>,
        sender_gone: bool,
        receiver_gone: bool,
    }

    /// Sends the value.
    pub struct Sender<T>(Arc<Mutex<Cell<T>>>);

    /// Waits for the value.
    pub struct Receiver<T>(Arc<Mutex<Cell<T>>>);

    /// The sender is gone and has sent nothing.
    #[derive(Debug)]
    pub struct RecvError;

    /// A channel.
    pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
        let cell = Cell { value: None, waker: None, sender_gone: false, receiver_gone: false };
        let cell = Arc::new(Mutex::new(cell));
        (Sender(cell.clone()), Receiver(cell))
    }

    impl<T> Sender<T> {
        /// Sends; gives the value back if nobody will ever look.
        pub fn send(self, value: T) -> Result<(), T> {
            let mut cell = self.0.lock().unwrap();
            if cell.receiver_gone {
                drop(cell);
                return Err(value);
            }
            cell.value = Some(value);
            Ok(())
            // The drop wakes.
        }

        /// Whether the receiver is gone.
        pub fn is_closed(&self) -> bool {
            self.0.lock().unwrap().receiver_gone
        }
    }

    impl<T> Drop for Sender<T> {
        fn drop(&mut self) {
            let waker = {
                let mut cell = self.0.lock().unwrap();
                cell.sender_gone = true;
                cell.waker.take()
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    impl<T> Drop for Receiver<T> {
        fn drop(&mut self) {
            let left = {
                let mut cell = self.0.lock().unwrap();
                cell.receiver_gone = true;
                (cell.value.take(), cell.waker.take())
            };
            drop(left);
        }
    }

    impl<T> Future for Receiver<T> {
        type Output = Result<T, RecvError>;

        fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
            let mut cell = self.0.lock().unwrap();
            if let Some(value) = cell.value.take() {
                return Poll::Ready(Ok(value));
            }
            if cell.sender_gone {
                return Poll::Ready(Err(RecvError));
            }
            cell.waker = Some(context.waker().clone());
            Poll::Pending
        }
    }
}

/// A value that changes, and waits for it.
pub mod watch {
    use std::{
        future::poll_fn,
        ops::Deref,
        task::{Poll, Waker},
    };

    use loom::sync::{Arc, Mutex};

    struct Cell<T> {
        value: T,
        sender_gone: bool,
        wakers: Vec<Waker>,
    }

    /// Changes the value.
    pub struct Sender<T>(Arc<Mutex<Cell<T>>>);

    /// Sees the value.
    pub struct Receiver<T>(Arc<Mutex<Cell<T>>>);

    /// The value as it was seen.
    pub struct Ref<T>(T);

    /// The sender is gone.
    #[derive(Debug)]
    pub struct RecvError;

    impl<T: Copy> Sender<T> {
        /// A value that nobody watches yet.
        pub fn new(value: T) -> Self {
            Self(Arc::new(Mutex::new(Cell { value, sender_gone: false, wakers: Vec::new() })))
        }

        /// Watches.
        pub fn subscribe(&self) -> Receiver<T> {
            Receiver(self.0.clone())
        }

        /// Changes the value and wakes all who wait.
        pub fn send_replace(&self, value: T) -> T {
            let (old, wakers) = {
                let mut cell = self.0.lock().unwrap();
                (std::mem::replace(&mut cell.value, value), std::mem::take(&mut cell.wakers))
            };
            wakers.into_iter().for_each(Waker::wake);
            old
        }
    }

    impl<T> Drop for Sender<T> {
        fn drop(&mut self) {
            let wakers = {
                let mut cell = self.0.lock().unwrap();
                cell.sender_gone = true;
                std::mem::take(&mut cell.wakers)
            };
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    impl<T: Copy> Receiver<T> {
        /// The value now.
        pub fn borrow(&self) -> Ref<T> {
            Ref(self.0.lock().unwrap().value)
        }

        /// Waits until the value is as asked for.
        pub async fn wait_for(&mut self, wanted: impl Fn(&T) -> bool) -> Result<Ref<T>, RecvError> {
            poll_fn(|context| {
                let mut cell = self.0.lock().unwrap();
                if wanted(&cell.value) {
                    return Poll::Ready(Ok(Ref(cell.value)));
                }
                if cell.sender_gone {
                    return Poll::Ready(Err(RecvError));
                }
                cell.wakers.push(context.waker().clone());
                Poll::Pending
            })
            .await
        }
    }

    impl<T> Deref for Ref<T> {
        type Target = T;

        fn deref(&self) -> &T {
            &self.0
        }
    }
}
