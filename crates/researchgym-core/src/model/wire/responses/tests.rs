//! Bodies as providers and clients write them.

mod answer;
mod properties;
mod request;
mod stream;
