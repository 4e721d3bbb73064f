//! The first message of a TLS connection (RFC 8446, 4.1.2), as far as the name of the host that it asks for.
//!
//! Nothing is decrypted. A greeting may be spread over several records; what is not understood is refused by the caller,
//! never passed on in the hope that it is harmless.

use super::host::HostName;

/// A greeting is not longer; those with post-quantum keys have some 2 KB.
pub const MAX_HELLO_BYTES: usize = 32 << 10;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_NAME: u16 = 0;
const ENCRYPTED_CLIENT_HELLO: u16 = 0xfe0d;
const HOST_NAME: u8 = 0;
/// The longest record (RFC 8446, 5.1).
const LONGEST_RECORD: usize = 1 << 14;

/// What the first bytes of a tunnel are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hello {
    /// More bytes must come.
    Unfinished,
    /// A greeting.
    Greets {
        /// The host that it names, if it names one.
        name: Option<HostName>,
        /// It holds another greeting that only the server can read.
        is_hidden: bool,
    },
    /// Not the beginning of TLS, or one that breaks its rules.
    NotTls,
}

/// Reads the first bytes of a tunnel.
pub fn read_hello(bytes: &[u8]) -> Hello {
    let mut message = Vec::new();
    let mut rest = bytes;
    let mut is_cut = false;
    loop {
        // Said as soon as it can be: a message of another kind will never become a greeting.
        if message.first().is_some_and(|kind| *kind != CLIENT_HELLO) {
            return Hello::NotTls;
        }
        match message_length(&message) {
            Some(length) if length > MAX_HELLO_BYTES => return Hello::NotTls,
            Some(length) if message.len() >= length => {
                return greeting(&message[4..length]).unwrap_or(Hello::NotTls);
            }
            Some(_) | None => {}
        }
        if is_cut {
            return Hello::Unfinished;
        }
        if rest.first().is_some_and(|kind| *kind != HANDSHAKE) || rest.get(1).is_some_and(|major| *major != 3)
        {
            return Hello::NotTls;
        }
        let Some((header, after)) = rest.split_first_chunk::<5>() else { return Hello::Unfinished };
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        if length == 0 || length > LONGEST_RECORD {
            return Hello::NotTls;
        }
        let part = &after[..length.min(after.len())];
        message.extend_from_slice(part);
        rest = &after[part.len()..];
        is_cut = part.len() < length;
    }
}

/// The length of the handshake message with its head, once the head is there.
fn message_length(message: &[u8]) -> Option<usize> {
    let head = message.first_chunk::<4>()?;
    Some(4 + u32::from_be_bytes([0, head[1], head[2], head[3]]) as usize)
}

/// Reads the body of a greeting; `None` if it breaks the rules.
fn greeting(body: &[u8]) -> Option<Hello> {
    let mut reader = Reader(body);
    // Version and random number.
    reader.take(34)?;
    reader.block8()?;
    reader.block16()?;
    reader.block8()?;
    let (mut name, mut is_hidden) = (None, false);
    if !reader.0.is_empty() {
        let mut extensions = Reader(reader.block16()?);
        let mut named = false;
        while !extensions.0.is_empty() {
            let kind = extensions.number()?;
            let content = extensions.block16()?;
            match kind {
                SERVER_NAME => {
                    // Twice would let two readers see two names.
                    if std::mem::replace(&mut named, true) {
                        return None;
                    }
                    name = Some(server_name(content)?);
                }
                ENCRYPTED_CLIENT_HELLO => is_hidden = true,
                _ => {}
            }
        }
    }
    reader.0.is_empty().then_some(Hello::Greets { name, is_hidden })
}

/// The one name of the extension: the list may hold one of each kind, and there is only one kind (RFC 6066, 3).
fn server_name(content: &[u8]) -> Option<HostName> {
    let mut reader = Reader(content);
    let mut list = Reader(reader.block16()?);
    let kind = list.take(1)?[0];
    let name = std::str::from_utf8(list.block16()?).ok()?;
    (kind == HOST_NAME && list.0.is_empty() && reader.0.is_empty())
        .then(|| HostName::parse(name).ok())
        .flatten()
}

struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u16> {
        let bytes = self.take(2)?;
        Some(u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    /// A block behind its length in one byte.
    fn block8(&mut self) -> Option<&'b [u8]> {
        let length = self.take(1)?[0];
        self.take(usize::from(length))
    }

    /// A block behind its length in two bytes.
    fn block16(&mut self) -> Option<&'b [u8]> {
        let length = self.number()?;
        self.take(usize::from(length))
    }
}
