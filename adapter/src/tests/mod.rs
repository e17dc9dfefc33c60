//! Unit tests of what no file alone holds, and of the files that `tests/models` builds a second
//! time: inside those files the tests would be built there as well, where threads and time belong
//! to the model.
mod budget;
mod credit;
mod panics;
mod receipt;
mod writers;
