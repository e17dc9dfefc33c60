//! Arrow IPC: the file format (Feather version 2) and the stream format.
use std::{
    fs::File,
    io::{BufReader, Read as _, Seek as _},
    path::{Path, PathBuf},
};

use arrow_array::RecordBatch;
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::{ArrowError, Schema, SchemaRef};
use arrow_select::coalesce::BatchCoalescer;

use super::{Chunk, FileError, open, plain};

/// The file format starts and ends with it; a stream starts otherwise.
const FILE_MAGIC: &[u8] = b"ARROW1";

/// The batches of a file to its very end. Arrow's readers also stop at a block without a message
/// and at the mark that ends a stream, and what stands behind would be lost without a word.
enum Batches {
    File { reader: FileReader<BufReader<File>>, came: usize },
    Stream(StreamReader<BufReader<File>>),
}

impl Batches {
    fn schema(&self) -> SchemaRef {
        match self {
            Self::File { reader, .. } => reader.schema(),
            Self::Stream(reader) => reader.schema(),
        }
    }

    fn next(&mut self) -> Result<Option<RecordBatch>, ArrowError> {
        let broken = |what: String| Err(ArrowError::IpcError(what));
        match self {
            Self::File { reader, came } => {
                let batch = reader.next().transpose()?;
                if batch.is_none() && *came < reader.num_batches() {
                    return broken(format!("batch {} holds no rows", *came + 1));
                }
                *came += 1;
                Ok(batch)
            }
            Self::Stream(reader) => {
                let batch = reader.next().transpose()?;
                if batch.is_none() && reader.get_mut().read(&mut [0])? > 0 {
                    return broken("bytes follow the end of the stream".to_owned());
                }
                Ok(batch)
            }
        }
    }
}

fn open_batches(path: &Path) -> Result<Batches, FileError> {
    let no_arrow = |error: &ArrowError| {
        FileError::new(path, format!("is not Arrow IPC, neither file nor stream: {error}"))
    };
    let io = |error: &std::io::Error| FileError::io(path, error);
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
    let reader = StreamReader::try_new_buffered(file, None).map_err(|error| no_arrow(&error))?;
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
        chunk_rows: usize,
    ) -> Result<(Self, u64), FileError> {
        let chunks = BatchCoalescer::new(schema.clone(), chunk_rows);
        let batches = open_batches(path)?;
        let path = path.to_owned();
        let mut reader = Self { batches, path, schema, chunks, rest: None, ended: false };
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
                    self.chunks.push_batch(batch)
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
