//! Arrow IPC: the file format (Feather version 2) and the stream format.
//!
//! A stream need not end with its end mark. One that is cut off exactly between two messages cannot
//! be told from a whole one without the mark, and is taken for one; any other cut is a fault.
use std::{
    fs::File,
    io::{self, BufReader, ErrorKind, Read, Seek as _},
    path::{Path, PathBuf},
};

use arrow_array::RecordBatch;
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::{ArrowError, Schema, SchemaRef};
use arrow_select::coalesce::BatchCoalescer;

use super::{Chunk, ChunkSize, FileError, open, plain};

/// The file format starts and ends with it; a stream starts otherwise.
const FILE_MAGIC: &[u8] = b"ARROW1";

/// The batches of a file to its very end. Arrow's readers also stop at a block without a message
/// and at the mark that ends a stream, and what stands behind would be lost without a word.
enum Batches {
    File { reader: FileReader<BufReader<File>>, came: usize },
    Stream(StreamReader<Unread>),
}

impl Batches {
    fn schema(&self) -> SchemaRef {
        match self {
            Self::File { reader, .. } => reader.schema(),
            Self::Stream(reader) => reader.schema(),
        }
    }

    fn next(&mut self) -> Result<Option<RecordBatch>, String> {
        match self {
            Self::File { reader, came } => {
                let batch = reader.next().transpose().map_err(fault)?;
                if batch.is_none() && *came < reader.num_batches() {
                    return Err(format!("block {} of its footer is no record batch", *came + 1));
                }
                *came += 1;
                Ok(batch)
            }
            Self::Stream(reader) => {
                let batch = reader.next().transpose().map_err(fault)?;
                let mut more =
                    || reader.get_mut().read(&mut [0]).map_err(|error| error.to_string());
                if batch.is_none() && more()? > 0 {
                    return Err(
                        "bytes follow the end of the stream; if it holds several streams, \
                                save each as a file of its own"
                            .to_owned(),
                    );
                }
                Ok(batch)
            }
        }
    }
}

/// Reading faults say enough by themselves; Arrow's come with their kind.
fn fault(error: ArrowError) -> String {
    match error {
        ArrowError::IoError(_, error) => error.to_string(),
        other => other.to_string(),
    }
}

/// The bytes of a stream. Arrow's reader takes a file that ends within the length of a message for
/// one that ends before it, as both are the same kind of error; here they are not.
struct Unread(BufReader<File>);

impl Read for Unread {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.0.read(bytes)
    }

    fn read_exact(&mut self, mut bytes: &mut [u8]) -> io::Result<()> {
        let mut at_end = ErrorKind::UnexpectedEof;
        while !bytes.is_empty() {
            match self.0.read(bytes) {
                Ok(0) => return Err(io::Error::new(at_end, "it ends in the middle of a message")),
                Ok(count) => {
                    bytes = &mut bytes[count..];
                    at_end = ErrorKind::InvalidData;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

fn open_batches(path: &Path) -> Result<Batches, FileError> {
    let no_arrow = |error: &ArrowError| {
        FileError::new(path, format!("is not Arrow IPC, neither file nor stream: {error}"))
    };
    let io = |error: &io::Error| FileError::io(path, error);
    let mut file = open(path)?;
    let mut start = Vec::new();
    file.by_ref().take(FILE_MAGIC.len() as u64).read_to_end(&mut start).map_err(|e| io(&e))?;
    file.rewind().map_err(|error| io(&error))?;
    if start == FILE_MAGIC {
        let reader = FileReader::try_new_buffered(file, None).map_err(|error| {
            FileError::new(path, format!("is a broken Arrow IPC file: {error}"))
        })?;
        return Ok(Batches::File { reader, came: 0 });
    }
    let bytes = Unread(BufReader::new(file));
    let reader = StreamReader::try_new(bytes, None).map_err(|error| no_arrow(&error))?;
    Ok(Batches::Stream(reader))
}

/// The columns of a file.
pub fn schema(path: &Path) -> Result<Schema, FileError> {
    open_batches(path).map(|batches| plain::schema(&batches.schema()))
}

/// Reads one Arrow file, in chunks of the wanted size whatever its own batches are.
pub struct Reader {
    batches: Batches,
    path: PathBuf,
    schema: SchemaRef,
    chunks: BatchCoalescer,
    /// Bytes that wait for the end of their chunk, and how many are enough.
    buffered_bytes: usize,
    bytes_max: usize,
    /// The rest of a batch of which the front was left out.
    rest: Option<RecordBatch>,
    ended: bool,
}

impl Reader {
    /// Opens a file and leaves out its first rows; tells how many there were.
    pub fn open(
        path: &Path,
        schema: SchemaRef,
        skip: u64,
        chunk: ChunkSize,
    ) -> Result<(Self, u64), FileError> {
        let chunks = BatchCoalescer::new(schema.clone(), chunk.rows);
        let (buffered_bytes, bytes_max) = (0, chunk.bytes);
        let batches = open_batches(path)?;
        let path = path.to_owned();
        let (rest, ended) = (None, false);
        let mut reader =
            Self { batches, path, schema, chunks, buffered_bytes, bytes_max, rest, ended };
        let mut skipped = 0;
        while skipped < skip {
            let Some(batch) = reader.next_batch()? else { break };
            let front = (skip - skipped).min(batch.num_rows() as u64);
            skipped += front;
            let front = front as usize; // at most the rows of a batch
            reader.rest = Some(batch.slice(front, batch.num_rows() - front));
        }
        Ok((reader, skipped))
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>, FileError> {
        self.batches
            .next()
            .map_err(|error| FileError::new(&self.path, format!("is broken: {error}")))
    }

    /// Adds to the chunk that is being filled, or begins a new one where that gets too large.
    fn push(&mut self, batch: RecordBatch) -> Result<(), ArrowError> {
        let columns = batch.columns().iter();
        let sizes = columns.map(|column| column.to_data().get_slice_memory_size());
        let bytes = sizes.sum::<Result<usize, _>>()?;
        if self.chunks.is_empty() {
            self.buffered_bytes = 0;
        } else if self.buffered_bytes + bytes > self.bytes_max {
            self.chunks.finish_buffered_batch()?;
            self.buffered_bytes = 0;
        }
        self.buffered_bytes += bytes;
        self.chunks.push_batch(batch)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next rows; none at the end.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk>, FileError> {
        loop {
            if let Some(batch) = self.chunks.next_completed_batch() {
                return Ok(Some(Chunk { batch, lines: None }));
            }
            if self.ended {
                return Ok(None);
            }
            let next = match self.rest.take() {
                Some(rest) => Some(rest),
                None => self.next_batch()?,
            };
            let chunked = match next {
                Some(batch) => {
                    let batch = plain::batch(&batch, &self.schema, &self.path)?;
                    self.push(batch)
                }
                None => {
                    self.ended = true;
                    self.chunks.finish_buffered_batch()
                }
            };
            chunked.map_err(|error| FileError::new(&self.path, error.to_string()))?;
        }
    }
}
