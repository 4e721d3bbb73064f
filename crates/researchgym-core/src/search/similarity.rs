//! Near duplicates: how much of two candidates' text is the same, and which earlier candidate is nearest.
//!
//! The text of a candidate is cut into tokens of no particular language; white space and comments do not count. Its
//! shingles are all runs of five tokens, and the similarity of two candidates is that of Jaccard: shingles of both by
//! shingles of either (Broder 1997). The [`Index`] keeps 512 bytes of each candidate: min-wise samples by one
//! permutation with 256 bins (Li, Owen and Zhang 2012), empty bins filled from others (Shrivastava 2017), 16 bits of
//! each (Li and Koenig 2010). Its answers are estimates with a standard error of at most `sqrt(s (1 - s) / 256)`,
//! 0.009 where s is 0.98; [`Index::nearest_exactly`] has them checked. Moved files, and files that are no text, count
//! by their content alone.

use std::collections::BTreeMap;

use super::NodeId;
use super::genome::Files;
use crate::digest::Digest;

/// Tokens of a shingle.
const LENGTH: usize = 5;
/// The most tokens of one candidate that are looked at.
const MOST_TOKENS: usize = 1 << 20;
/// Bins of a sample.
const BINS: usize = 256;
/// The most candidates that a question is compared with: those with which it shares most bands.
const MOST_COMPARED: usize = 256;
/// How many of them are checked exactly.
const MOST_CHECKED: usize = 4;
/// Languages whose comments begin with `#`, and with `//`, by the ends of their files.
const HASH: [&str; 12] =
    [".py", ".pyi", ".sh", ".rb", ".toml", ".yaml", ".yml", ".r", ".R", ".jl", ".pl", ".cfg"];
const SLASHES: [&str; 15] = [
    ".c", ".h", ".cc", ".cpp", ".hpp", ".cu", ".rs", ".go", ".js", ".ts", ".java", ".kt", ".swift", ".scala",
    ".cs",
];

/// Hash over the paths and contents of a candidate's files: equal for equal candidates alone.
pub fn artefact_digest(files: &Files) -> Digest {
    let parts: Vec<&[u8]> =
        files.iter().flat_map(|(path, content)| [path.as_bytes(), content.as_slice()]).collect();
    Digest::of_parts(&parts)
}

/// The shingles of a candidate, as sorted hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shingles(Vec<u64>);

impl Shingles {
    /// Of a candidate's files.
    pub fn of(files: &Files) -> Shingles {
        let mut hashes = Vec::new();
        let mut left = MOST_TOKENS;
        for (path, content) in files {
            let Ok(text) = std::str::from_utf8(content) else {
                hashes.push(word(content));
                continue;
            };
            let mut window = [0_u64; LENGTH];
            let mut count = 0;
            tokens(text, comment(path), &mut |token| {
                if left == 0 {
                    return;
                }
                left -= 1;
                window.rotate_left(1);
                window[LENGTH - 1] = word(token.as_bytes());
                count += 1;
                if count >= LENGTH {
                    hashes.push(joined(&window));
                }
            });
            if (1..LENGTH).contains(&count) {
                hashes.push(joined(&window));
            }
        }
        hashes.sort_unstable();
        hashes.dedup();
        Shingles(hashes)
    }

    /// The similarity of two candidates, from 0 to 1. Two without any text are the same.
    pub fn similarity(&self, other: &Shingles) -> f64 {
        let (mut one, mut two, mut both) = (0, 0, 0_usize);
        while let (Some(first), Some(second)) = (self.0.get(one), other.0.get(two)) {
            one += usize::from(first <= second);
            two += usize::from(second <= first);
            both += usize::from(first == second);
        }
        match self.0.len() + other.0.len() - both {
            0 => 1.0,
            either => both as f64 / either as f64,
        }
    }

    fn sample(&self) -> Sample {
        let mut least = [u64::MAX; BINS];
        for hash in &self.0 {
            let bin = &mut least[(hash >> 56) as usize];
            *bin = (*bin).min(hash << 8);
        }
        let is_empty = self.0.is_empty();
        let mut sample = [0; BINS];
        for (bin, place) in sample.iter_mut().enumerate() {
            let mut from = bin;
            let mut attempt = 0;
            while !is_empty && least[from] == u64::MAX {
                attempt += 1;
                from = (mixed((bin as u64) << 32 | attempt) >> 56) as usize;
            }
            *place = (mixed(least[from]) >> 48) as u16;
        }
        sample
    }
}

/// The least hash of each bin, 16 bits of it.
type Sample = [u16; BINS];

/// How the text of a file's comments begins; `None`: it has none that are known.
fn comment(path: &str) -> Option<&'static str> {
    let ends = |ends: &[&str]| ends.iter().any(|end| path.ends_with(end));
    match path {
        _ if ends(&HASH) => Some("#"),
        _ if ends(&SLASHES) => Some("//"),
        _ => None,
    }
}

/// Words, numbers and single characters, without white space and comments. A quote that is closed on its line keeps
/// what is in it from being a comment.
fn tokens<'t>(text: &'t str, comment: Option<&str>, take: &mut impl FnMut(&'t str)) {
    for line in text.lines() {
        let mut quote = None;
        let mut escaped = false;
        let mut word = None;
        for (at, character) in line.char_indices() {
            let is_comment = || comment.is_some_and(|comment| line[at..].starts_with(comment));
            if quote.is_none() && is_comment() {
                break;
            }
            if character.is_alphanumeric() || character == '_' {
                let begin = *word.get_or_insert(at);
                let end = at + character.len_utf8();
                let goes_on =
                    line[end..].chars().next().is_some_and(|next| next.is_alphanumeric() || next == '_');
                if !goes_on {
                    take(&line[begin..end]);
                    word = None;
                }
            } else if !character.is_whitespace() {
                take(&line[at..at + character.len_utf8()]);
            }
            match (quote, character) {
                _ if escaped => escaped = false,
                (Some(_), '\\') => escaped = true,
                (Some(open), _) if open == character => quote = None,
                (None, '"' | '\'') => quote = line[at + 1..].contains(character).then_some(character),
                _ => {}
            }
        }
    }
}

/// A hash of bytes (Fowler, Noll and Vo, 64 bits), mixed.
fn word(bytes: &[u8]) -> u64 {
    let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    mixed(bytes.iter().fold(0xcbf2_9ce4_8422_2325, fold))
}

fn joined(window: &[u64; LENGTH]) -> u64 {
    window.iter().fold(0, |hash, word| mixed(hash.rotate_left(5) ^ word))
}

/// The end of SplitMix64 (Steele, Lea and Flood 2014): every bit of the answer depends on every bit given.
fn mixed(mut bits: u64) -> u64 {
    bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// The candidates so far, by their shingles.
#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    /// Bins of one band: two candidates are compared only if all bins of some band are equal.
    rows: usize,
    samples: Vec<(NodeId, Sample)>,
    /// Hash of a band -> positions of samples.
    bands: BTreeMap<u64, Vec<u32>>,
}

impl Index {
    /// For questions about candidates that are at least so similar: they are found with a probability of 0.99 or
    /// more.
    pub fn new(similarity: f64) -> Index {
        let is_sure = |rows: &usize| {
            let missed = 1.0 - similarity.clamp(0.0, 1.0).powi(*rows as i32);
            missed.powf((BINS / rows) as f64) <= 0.01
        };
        let rows = [16, 8, 4, 2, 1].into_iter().find(is_sure).unwrap_or(1);
        Index { rows, samples: Vec::new(), bands: BTreeMap::new() }
    }

    /// How many candidates it knows.
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether it knows none.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// Takes a candidate in.
    pub fn insert(&mut self, node: NodeId, shingles: &Shingles) {
        let sample = shingles.sample();
        let position = self.samples.len() as u32;
        for key in keys(&sample, self.rows) {
            self.bands.entry(key).or_default().push(position);
        }
        self.samples.push((node, sample));
    }

    /// The most similar candidate and an estimate of its similarity; of equals the earlier. `None`: there is none
    /// that is similar enough to be noticed.
    pub fn nearest(&self, shingles: &Shingles) -> Option<(NodeId, f64)> {
        self.ranked(shingles).into_iter().next()
    }

    /// The same with exact similarities. `read` gives the shingles of a candidate; where it has none the estimate
    /// stands.
    pub fn nearest_exactly(
        &self,
        shingles: &Shingles,
        mut read: impl FnMut(NodeId) -> Option<Shingles>,
    ) -> Option<(NodeId, f64)> {
        let mut nearest: Option<(NodeId, f64)> = None;
        for (node, estimate) in self.ranked(shingles).into_iter().take(MOST_CHECKED) {
            let similarity = read(node).map_or(estimate, |known| known.similarity(shingles));
            if nearest.is_none_or(|(_, most)| similarity > most) {
                nearest = Some((node, similarity));
            }
        }
        nearest
    }

    /// Candidates with estimates of their similarity, the highest first.
    fn ranked(&self, shingles: &Shingles) -> Vec<(NodeId, f64)> {
        let sample = shingles.sample();
        let mut shared = vec![0_u16; self.samples.len()];
        let mut met = Vec::new();
        for key in keys(&sample, self.rows) {
            for position in self.bands.get(&key).into_iter().flatten() {
                let count = &mut shared[*position as usize];
                if *count == 0 {
                    met.push(*position);
                }
                *count += 1;
            }
        }
        let order = |position: &u32| (std::cmp::Reverse(shared[*position as usize]), *position);
        if met.len() > MOST_COMPARED {
            met.select_nth_unstable_by_key(MOST_COMPARED - 1, order);
            met.truncate(MOST_COMPARED);
        }
        let mut ranked: Vec<(NodeId, f64)> = met
            .into_iter()
            .map(|position| {
                let (node, known) = &self.samples[position as usize];
                let equal = known.iter().zip(&sample).filter(|(one, other)| one == other).count();
                (*node, equal as f64 / BINS as f64)
            })
            .collect();
        ranked.sort_by(|one, other| other.1.total_cmp(&one.1).then(one.0.cmp(&other.0)));
        ranked
    }
}

/// The hashes of a sample's bands.
fn keys(sample: &Sample, rows: usize) -> impl Iterator<Item = u64> + '_ {
    sample
        .chunks_exact(rows)
        .enumerate()
        .map(|(band, bins)| bins.iter().fold(mixed(band as u64), |hash, bin| mixed(hash ^ u64::from(*bin))))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::search::Stream;

    fn one_file(path: &str, text: &str) -> Files {
        Files::from([(path.to_owned(), text.as_bytes().to_vec())])
    }

    fn cut(path: &str, text: &str) -> Vec<String> {
        let mut found = Vec::new();
        tokens(text, comment(path), &mut |token| found.push(token.to_owned()));
        found
    }

    #[test]
    fn tokens_are_words_and_signs_without_comments() {
        for (path, text, expected) in [
            ("a.py", "x_1 = a//b  # c d\n  y", vec!["x_1", "=", "a", "/", "/", "b", "y"]),
            ("a.py", "s = '# no' # yes", vec!["s", "=", "'", "#", "no", "'"]),
            ("a.py", "s = 'it\\'s # no'", vec!["s", "=", "'", "it", "\\", "'", "s", "#", "no", "'"]),
            ("a.py", "don't # yes", vec!["don", "'", "t"]),
            ("a.rs", "x#y // z", vec!["x", "#", "y"]),
            ("a.txt", "x # y // z", vec!["x", "#", "y", "/", "/", "z"]),
            ("a.py", "größe=1.5e3", vec!["größe", "=", "1", ".", "5e3"]),
        ] {
            assert_eq!(cut(path, text), expected, "{text}");
        }
    }

    #[test]
    fn similarity_is_the_share_of_common_shingles() {
        let shingles = |text| Shingles::of(&one_file("a.py", text));
        for (one, other, expected) in [
            ("a b c d e f", "a b c d e f", 1.0),
            ("a b c d e f", "a b  c\nd e f # g", 1.0),
            ("a b c d e f g", "a b c d e f h", 0.5),
            ("a b c d e f", "u v w x y z", 0.0),
            ("a b", "a b", 1.0),
            ("a b", "a c", 0.0),
            ("", "# nothing", 1.0),
        ] {
            assert_eq!(shingles(one).similarity(&shingles(other)), expected, "{one} and {other}");
        }
        let bytes = |content: &[u8]| Shingles::of(&Files::from([("a.bin".to_owned(), content.to_vec())]));
        assert_eq!(bytes(&[0xff, 1]).similarity(&bytes(&[0xff, 2])), 0.0);
    }

    #[test]
    fn digests_tell_paths_from_contents() {
        let (one, other) = (one_file("a", "bc"), one_file("ab", "c"));
        assert_ne!(artefact_digest(&one), artefact_digest(&other));
        assert_eq!(artefact_digest(&one), Digest::of_parts(&[b"a", b"bc"]));
    }

    /// A program of so many words, of which some are replaced.
    fn program(words: usize, replaced: &[usize], mark: &str) -> Files {
        let word =
            |at: usize| if replaced.contains(&at) { format!("{mark}{at}") } else { format!("word{at}") };
        one_file("a.py", &(0..words).map(word).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn the_nearest_of_many_is_found_and_can_be_checked() {
        let mut index = Index::new(0.9);
        let mut random = Stream::new(1, "test", 0);
        let mut known = Vec::new();
        for node in 0..300 {
            let replaced: Vec<usize> = (0..20).map(|_| random.below(1000)).collect();
            let shingles = Shingles::of(&program(1000, &replaced, &format!("n{node}x")));
            index.insert(node, &shingles);
            known.push(shingles);
        }
        assert_eq!(index.len(), 300);
        let asked = known[123].clone();
        assert_eq!(index.nearest(&asked), Some((123, 1.0)));
        let other = Shingles::of(&program(1000, &[500], "other"));
        let exact = other.similarity(&known[123]);
        let mut read = Vec::new();
        let (node, similarity) = index
            .nearest_exactly(&other, |node| {
                read.push(node);
                known.get(node as usize).cloned()
            })
            .expect("one is near");
        assert!(read.len() == MOST_CHECKED && similarity >= exact - 0.05 && similarity < 1.0);
        assert_eq!(similarity, other.similarity(&known[node as usize]));
        assert_eq!(index.nearest(&Shingles::of(&one_file("a.py", "quite another text altogether"))), None);
    }

    #[test]
    fn bands_are_as_long_as_the_similarity_allows() {
        let rows = |similarity| Index::new(similarity).rows;
        assert_eq!([0.98, 0.95, 0.9, 0.8, 0.6, 0.3].map(rows), [16, 16, 8, 8, 4, 2]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn estimates_are_near_the_exact_value(replaced in prop::collection::vec(0..600_usize, 0..40)) {
            let one = Shingles::of(&program(600, &[], ""));
            let other = Shingles::of(&program(600, &replaced, "x"));
            let mut index = Index::new(0.3);
            index.insert(5, &one);
            let exact = one.similarity(&other);
            // Six standard errors and the bits that agree by chance.
            let error = 6.0 * (exact * (1.0 - exact) / BINS as f64).sqrt() + 0.01;
            let found = index.nearest(&other).map_or(0.0, |(_, similarity)| similarity);
            prop_assert!((found - exact).abs() <= error || (exact < 0.3 && found == 0.0), "{found} of {exact}");
        }

        #[test]
        fn any_text_is_cut(text in "\\PC{0,200}", path in prop::sample::select(vec!["a.py", "a.c", "a"])) {
            let tokens = cut(path, &text).concat();
            prop_assert!(tokens.len() <= text.len() && !tokens.contains(char::is_whitespace));
        }
    }
}
