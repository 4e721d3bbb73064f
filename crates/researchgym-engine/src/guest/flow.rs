//! Bytes on their way from one end of a forwarded connection to the other: bounded, in order, and ended once.
//!
//! Decides only; reading and writing are the forwarder's.

use std::collections::VecDeque;

/// How many bytes of one direction are held. A source is not read from beyond that.
pub(crate) const HELD_BYTES: usize = 64 << 10;

/// One direction of a connection.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    held: VecDeque<u8>,
    /// The source has said its last byte.
    ended: bool,
    over: bool,
}

impl Flow {
    /// How many bytes may be read from the source now; none after its end.
    pub(crate) fn room(&self) -> usize {
        if self.ended || self.over { 0 } else { HELD_BYTES - self.held.len() }
    }

    /// Takes what was read, at most [`Flow::room`]. Nothing is the source's end.
    pub(crate) fn take(&mut self, bytes: &[u8]) {
        debug_assert!(bytes.len() <= self.room());
        self.ended |= bytes.is_empty();
        self.held.extend(bytes);
    }

    /// What is to be written next; more may follow it.
    pub(crate) fn unsent(&self) -> &[u8] {
        self.held.as_slices().0
    }

    /// So many bytes of [`Flow::unsent`] were written.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.held.drain(..bytes);
    }

    /// Whether everything was written and the end is now to be passed on.
    pub(crate) fn end_is_due(&self) -> bool {
        self.ended && !self.over && self.held.is_empty()
    }

    /// Nothing more is read or written: the end was passed on, or nobody takes what is left.
    pub(crate) fn close(&mut self) {
        self.over = true;
        self.held = VecDeque::new();
    }

    /// Whether it was closed.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Offered by the source or accepted by the sink, whichever is larger than what is possible is cut.
    #[derive(Clone, Copy, Debug)]
    enum Step {
        Source(usize),
        Sink(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![(1usize..100_000).prop_map(Step::Source), (0usize..100_000).prop_map(Step::Sink)]
    }

    proptest! {
        #[test]
        fn bytes_arrive_once_in_order_and_never_too_many_are_held(
            steps in proptest::collection::vec(step(), 0..60),
            total in 0usize..400_000,
        ) {
            let content: Vec<u8> = (0..total).map(|index| (index / 251 + index) as u8).collect();
            let mut flow = Flow::default();
            let (mut read, mut written) = (0, Vec::new());
            // In the end the source says all of it and the sink takes all of it.
            let rest = std::iter::repeat_n([Step::Source(usize::MAX), Step::Sink(usize::MAX)], total / 1000 + 2);
            for step in steps.into_iter().chain(rest.flatten()) {
                match step {
                    Step::Source(offered) => {
                        let length = offered.min(flow.room()).min(total - read);
                        if length > 0 || (flow.room() > 0 && read == total) {
                            flow.take(&content[read..read + length]);
                            read += length;
                        }
                    }
                    Step::Sink(accepted) => {
                        let length = accepted.min(flow.unsent().len());
                        written.extend_from_slice(&flow.unsent()[..length]);
                        flow.sent(length);
                        if flow.end_is_due() {
                            prop_assert_eq!(written.len(), total);
                            flow.close();
                        }
                    }
                }
                prop_assert!(flow.held.len() <= HELD_BYTES);
                prop_assert_eq!(written.len() + flow.held.len(), read);
            }
            prop_assert!(flow.is_over());
            prop_assert_eq!(written, content);
        }
    }

    #[test]
    fn a_closed_flow_takes_nothing_and_has_nothing() {
        let mut flow = Flow::default();
        flow.take(b"lost");
        flow.close();
        assert_eq!((flow.room(), flow.unsent(), flow.end_is_due()), (0, &b""[..], false));
    }
}
