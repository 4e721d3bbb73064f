//! The fields of a message in protobuf's wire format, one after the other, without copying.
//!
//! Only what the three messages of a TensorBoard event need: groups, which nothing writes any more, end the message.
//! Format: <https://protobuf.dev/programming-guides/encoding/>.

/// The fields of a message. It ends where the bytes do, or where they can be no field.
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

/// The value of a field.
pub(super) enum Field<'a> {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(&'a [u8]),
    Fixed32([u8; 4]),
}

impl<'a> Iterator for Fields<'a> {
    type Item = (u64, Field<'a>);

    fn next(&mut self) -> Option<(u64, Field<'a>)> {
        let key = self.varint()?;
        let field = match key & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(*self.take(8)?.first_chunk()?),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Field::Bytes(self.take(length)?)
            }
            5 => Field::Fixed32(*self.take(4)?.first_chunk()?),
            _ => return None,
        };
        Some((key >> 3, field))
    }
}

impl<'a> Fields<'a> {
    /// Seven bits a byte, the lowest first; at most ten bytes.
    pub(super) fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for place in 0..10 {
            let (first, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(first & 0x7f) << (7 * place);
            if first & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}
