//! Fixed words for which many texts are searched: what a search needs to know of them is found out once.

use std::sync::OnceLock;

use memchr::memmem::Finder;

/// Words, in an order.
pub struct Words {
    words: &'static [&'static str],
    /// Only what follows its last point is looked for.
    is_last_part: bool,
    finders: OnceLock<Vec<Finder<'static>>>,
}

impl Words {
    /// These words.
    pub const fn of(words: &'static [&'static str]) -> Words {
        Words { words, is_last_part: false, finders: OnceLock::new() }
    }

    /// Of each of these only what follows its last point: `seed` for `numpy.random.seed`.
    pub const fn last_parts_of(words: &'static [&'static str]) -> Words {
        Words { words, is_last_part: true, finders: OnceLock::new() }
    }

    /// Those that are there, in their order, with the place where each is first.
    pub fn found<'w>(&'w self, text: &'w str) -> impl Iterator<Item = (&'static str, usize)> + 'w {
        let finders = self.words.iter().zip(self.finders());
        finders.filter_map(|(word, finder)| Some((*word, finder.find(text.as_bytes())?)))
    }

    /// Whether one of them is there.
    pub fn is_found(&self, text: &str) -> bool {
        self.found(text).next().is_some()
    }

    /// All places of all of them, those of the first one first.
    pub fn places<'w>(&'w self, text: &'w str) -> impl Iterator<Item = (&'static str, usize)> + 'w {
        let finders = self.words.iter().zip(self.finders());
        finders.flat_map(|(word, finder)| finder.find_iter(text.as_bytes()).map(|at| (*word, at)))
    }

    fn finders(&self) -> &[Finder<'static>] {
        self.finders.get_or_init(|| {
            let wanted = |word: &&'static str| match self.is_last_part {
                true => word.rsplit('.').next().unwrap_or_default(),
                false => word,
            };
            self.words.iter().map(|word| Finder::new(wanted(word))).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_last_parts_are_found_in_their_order() {
        static WORDS: Words = Words::of(&["b", "a.c", "none"]);
        static PARTS: Words = Words::last_parts_of(&["b", "a.c", "none"]);
        let text = "é c b a.c b";
        assert_eq!(WORDS.found(text).collect::<Vec<_>>(), [("b", 5), ("a.c", 7)]);
        assert_eq!(WORDS.places(text).collect::<Vec<_>>(), [("b", 5), ("b", 11), ("a.c", 7)]);
        assert_eq!(PARTS.found(text).collect::<Vec<_>>(), [("b", 5), ("a.c", 3)]);
        assert!(PARTS.is_found("c") && !WORDS.is_found("c") && !WORDS.is_found(""));
    }
}
