//! Files, which may be on a mount that hangs: whoever asks has an answer, and a path that is not
//! answering holds one thread, however often it is asked for.

use std::{sync::Arc, thread, time::Duration};

use tokio::{sync::oneshot, time::timeout};

use super::{Error, Found, Reference, flight::Flights, read_local};

/// How long a look waits for its file. The read goes on after that, and later looks join it.
const PATIENCE: Duration = Duration::from_secs(10);

type Read = Arc<dyn Fn(&Reference) -> Result<Found, Error> + Send + Sync>;

/// Reads files. Its clones share reads that are under way.
#[derive(Clone)]
pub(crate) struct Files {
    reads: Flights<Result<Found, Error>>,
    read: Read,
}

impl Default for Files {
    fn default() -> Self {
        Self { reads: Flights::default(), read: Arc::new(read_local) }
    }
}

impl Files {
    /// Reads a file anew, together with all who ask for it at the same time.
    pub(crate) async fn get(&self, file: &Reference) -> Result<Found, Error> {
        // As it is written for programmers a path shows bytes that are no text, too: two files have
        // two names.
        let (name, place) = (format!("{file:?}"), file.to_string());
        let work = || {
            let (read, file) = (self.read.clone(), file.clone());
            async move {
                let place = file.to_string();
                in_thread(move || read(&file)).await.unwrap_or_else(|| Err(Error::failed(&place)))
            }
        };
        match timeout(PATIENCE, self.reads.join(&name, work)).await {
            Ok(result) => result.unwrap_or_else(|| Err(Error::failed(&place))),
            Err(_) => Err(silent(&place)),
        }
    }
}

/// What comes of work that may block for ever; `None` if it has panicked or there is no thread for
/// it. A runtime that ends waits for its own threads, but not for this one.
async fn in_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (sender, receiver) = oneshot::channel();
    let run = move || drop(sender.send(work()));
    thread::Builder::new().name("read-file".to_owned()).spawn(run).ok()?;
    receiver.await.ok()
}

fn silent(place: &str) -> Error {
    Error::new(
        "SECRET_FILE_SLOW",
        format!("{place} is not answering: it could not be read within {} s", PATIENCE.as_secs()),
        "check that it is a file, and the mount that it is on",
    )
    .later(None)
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, OpenOptions},
        os::unix::ffi::OsStringExt as _,
        process::Command,
        sync::{
            Mutex,
            atomic::{AtomicUsize, Ordering},
            mpsc,
        },
    };

    use super::*;
    use crate::{Retry, Store};

    fn file(path: &str) -> Reference {
        Reference::File(path.into())
    }

    /// Reads the file `/hung` only when it may, and all others at once; counts what it reads.
    fn files(reads: &Arc<AtomicUsize>) -> (Files, mpsc::Sender<()>) {
        let (go, gate) = mpsc::channel();
        let (gate, reads) = (Mutex::new(gate), reads.clone());
        let read = move |reference: &Reference| {
            reads.fetch_add(1, Ordering::SeqCst);
            if *reference == file("/hung") {
                gate.lock().unwrap().recv().unwrap();
            }
            read_local(&Reference::ClearTextForTests("word".to_owned().into()))
        };
        (Files { reads: Flights::default(), read: Arc::new(read) }, go)
    }

    #[tokio::test(start_paused = true)]
    async fn a_path_that_hangs_holds_one_thread_and_every_look_ends() {
        let reads = Arc::new(AtomicUsize::new(0));
        let (files, go) = files(&reads);
        let hung = file("/hung");
        for _ in 0..20 {
            let error = files.get(&hung).await.unwrap_err();
            assert_eq!((error.code, error.retry), ("SECRET_FILE_SLOW", Retry::Later(None)));
            assert_eq!(
                error.message,
                "the file /hung is not answering: it could not be read within 10 s"
            );
        }
        tokio::time::resume();
        assert!(files.get(&file("/other")).await.is_ok(), "other paths do not suffer");
        // The mount answers again: whoever waits has what was read, and the next look is a new one.
        let (found, ()) = tokio::join!(files.get(&hung), async { go.send(()).unwrap() });
        assert!(found.is_ok());
        assert_eq!(reads.load(Ordering::SeqCst), 2, "one read of each path");
        go.send(()).unwrap();
        assert!(files.get(&hung).await.is_ok());
        assert_eq!(reads.load(Ordering::SeqCst), 3);
    }

    /// A pipe that nobody writes to hangs as a mount does.
    #[tokio::test(start_paused = true)]
    async fn a_pipe_without_a_writer_is_not_answering() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let (store, pipe) = (Store::new(None).unwrap(), Reference::File(path.clone()));
        for _ in 0..2 {
            assert_eq!(store.get(&pipe).await.unwrap_err().code, "SECRET_FILE_SLOW");
        }
        tokio::time::resume();
        let write = in_thread(move || {
            let mut writer = OpenOptions::new().write(true).open(path).unwrap();
            std::io::Write::write_all(&mut writer, b"word").unwrap();
        });
        let (found, written) = tokio::join!(store.get(&pipe), write);
        written.unwrap();
        assert_eq!(found.unwrap().text().unwrap(), "word".to_owned().into());
    }

    #[tokio::test]
    async fn a_read_that_panics_is_told_and_holds_nobody() {
        let files = Files { read: Arc::new(|_| panic!("on purpose")), ..Files::default() };
        for _ in 0..2 {
            assert_eq!(files.get(&file("/x")).await.unwrap_err().code, "SECRET_READ_FAILED");
        }
    }

    /// Shown in words, both have the same name.
    #[tokio::test]
    async fn files_whose_names_are_no_text_are_not_mixed_up() {
        let folder = tempfile::tempdir().unwrap();
        let place = |byte: u8| {
            let mut path = folder.path().as_os_str().to_owned().into_vec();
            path.extend([b'/', byte]);
            std::path::PathBuf::from(std::ffi::OsString::from_vec(path))
        };
        let (one, two) = (place(0xfe), place(0xff));
        fs::write(&one, "one").unwrap();
        fs::write(&two, "two").unwrap();
        let (one, two) = (Reference::File(one), Reference::File(two));
        assert_eq!(one.to_string(), two.to_string());
        let files = Files::default();
        let (one, two) = tokio::join!(files.get(&one), files.get(&two));
        assert_ne!(one.unwrap().secret, two.unwrap().secret);
    }
}
