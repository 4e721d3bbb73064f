//! The one door to all providers, for programs that are not ours: a local HTTP server in the providers' own forms, whose
//! every call is granted before it is sent and booked when it is over.

mod run;
mod teller;

pub use self::run::RunGateway;
pub use self::teller::{Asked, Booked, Entry, Granted, Refused, Settled, Teller, teller};
