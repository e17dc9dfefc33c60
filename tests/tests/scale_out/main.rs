//! Several replicas of the service behind one name: writers are spread over them, move when replicas
//! come and go, and lose and double nothing on the way.
//!
//! `KAFKA_OUTPUT_LONG=1` lets replicas come and go more often.

mod client_side;
mod fleet;
mod rolling;
mod spread;
