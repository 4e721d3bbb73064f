//! The one door to all providers, for programs that are not ours: a local HTTP server in the providers' own forms, whose
//! every call is granted before it is sent and booked when it is over.
//!
//! A request goes from `server` (connection, token, body) by `route` to `ask` (reading, grant), `send` (attempts), then
//! `relay` if the provider speaks the client's form or `translate` if not; `meter` reads along and `booking` books.
//! Clients' keys never go to a provider, providers' keys never to a client. What calls cost is bounded before they are
//! sent: requests for which that is not possible are refused (`unmetered`).

mod answer;
mod ask;
mod asking;
mod body;
mod booking;
mod count;
mod edits;
mod failures;
mod fetched;
mod headers;
mod listen;
mod listing;
mod meter;
mod passage;
mod patience;
mod relay;
mod room;
mod route;
mod run;
mod scripted;
mod send;
mod served;
mod server;
mod splice;
mod standalone;
mod teller;
mod token;
mod translate;
mod unmetered;

pub(crate) use self::answer::{Answer, Content, answer, json};
pub use self::count::Counting;
pub(crate) use self::count::counting_url;
pub(crate) use self::headers::{back, onward};
pub use self::listen::{ListenError, Listener, SocketFile};
pub use self::patience::Patience;
pub(crate) use self::room::Room;
pub(crate) use self::run::PREFIX as FOLDER_PREFIX;
pub use self::run::RunGateway;
pub(crate) use self::run::listen_in;
pub use self::served::{NotServed, Served};
pub use self::server::{Service, serve};
pub use self::standalone::{JournalError, Standalone, Summary, grant};
pub use self::teller::{Asked, Booked, Entry, Granted, Refused, Settled, Teller, teller};
pub use self::token::Token;
