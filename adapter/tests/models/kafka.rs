//! Of the module `kafka` that which shares state between threads.
#[path = "../../src/kafka/budget.rs"]
pub mod budget;
#[path = "../../src/kafka/letter.rs"]
pub mod letter;
#[path = "../../src/kafka/receipt.rs"]
pub mod receipt;

pub use kafka_output::kafka::{cause, headers};
