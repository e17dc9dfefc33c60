//! The pages of a Parquet file, looked at before they are decoded.
//!
//! The crate makes room for as many values as a dictionary says that it has, and only then reads
//! them: a broken file of 500 bytes asked for 8 GB.
use std::sync::Arc;

use parquet::{
    arrow::arrow_reader::RowGroups,
    column::page::{Page, PageIterator, PageMetadata, PageReader},
    errors::{ParquetError, Result},
    file::{
        metadata::{ParquetMetaData, RowGroupMetaData},
        reader::FileReader,
    },
};

/// All row groups of a file.
pub struct Groups(pub Arc<dyn FileReader>);

impl RowGroups for Groups {
    fn num_rows(&self) -> usize {
        self.0.num_rows()
    }

    fn column_chunks(&self, column: usize) -> Result<Box<dyn PageIterator>> {
        Ok(Box::new(Chunks(self.0.column_chunks(column)?)))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        self.0.row_groups()
    }

    fn metadata(&self) -> &ParquetMetaData {
        RowGroups::metadata(&self.0)
    }
}

/// The parts of a column, one of each row group.
struct Chunks(Box<dyn PageIterator>);

impl Iterator for Chunks {
    type Item = Result<Box<dyn PageReader>>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.0.next()?;
        Some(next.map(|pages| Box::new(Pages(pages)) as Box<dyn PageReader>))
    }
}

impl PageIterator for Chunks {}

/// The pages of one part.
struct Pages(Box<dyn PageReader>);

impl Iterator for Pages {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Self::Item> {
        self.get_next_page().transpose()
    }
}

impl PageReader for Pages {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        self.0.get_next_page().and_then(check)
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.0.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.0.skip_next_page()
    }

    fn supports_deferred_dictionary(&self) -> bool {
        self.0.supports_deferred_dictionary()
    }

    fn take_deferred_dictionary(&mut self) -> Result<Option<Page>> {
        self.0.take_deferred_dictionary().and_then(check)
    }

    fn at_record_boundary(&mut self) -> Result<bool> {
        self.0.at_record_boundary()
    }
}

/// Every value of a dictionary takes a byte at least: text has a length, and no number is shorter.
fn check(page: Option<Page>) -> Result<Option<Page>> {
    match &page {
        Some(Page::DictionaryPage { buf, num_values, .. }) if *num_values as usize > buf.len() => {
            let bytes = buf.len();
            let what = format!("a dictionary of {bytes} bytes cannot have {num_values} values");
            Err(ParquetError::General(what))
        }
        _ => Ok(page),
    }
}
