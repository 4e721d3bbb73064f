//! What a shoot-out cannot tell, in sentences.

use super::{Contender, Pair, Reached, Resampling, Searched, Setting, coverage_of_range, seeds_needed};
use crate::record::Cause;

pub(super) fn notes(
    setting: &Setting,
    resampling: Resampling,
    policies: &[Contender],
    pairs: &[Pair],
    searches: &[Searched],
) -> Vec<String> {
    let mut notes = Vec::new();
    if (searches.len() as u64) < setting.asked {
        notes.push(format!(
            "{} of the {} searches are over; the others are not counted.",
            searches.len(),
            setting.asked
        ));
    }
    let fewest = policies.iter().map(|contender| contender.searches).min().unwrap_or(0);
    let percent = |share: f64| format!("{:.1}", share * 100.0).trim_end_matches(".0").to_owned();
    let (confidence, level) = (percent(resampling.confidence), percent(1.0 - resampling.confidence));
    if resampling.resamples > 0 && fewest > 0 {
        let coverage = coverage_of_range(fewest);
        notes.push(match coverage < resampling.confidence {
            true => format!(
                "With {fewest} {} no interval of a median holds what it promises: even the range from the worst to the best seed holds the true median in {} % of \
                 cases at most, not in {confidence} %.",
                if fewest == 1 { "seed" } else { "seeds" },
                percent(coverage)
            ),
            false => format!(
                "Intervals hold {confidence} % of {} resamples over the seeds; with as few as {fewest} they are rather too narrow.",
                resampling.resamples
            ),
        });
    }
    if policies.len() > 1 && fewest > 0 {
        let needed = seeds_needed(policies.len() as u64, 1.0 - resampling.confidence);
        let apart: Vec<String> = pairs
            .iter()
            .filter(|pair| pair.is_apart)
            .map(|pair| format!("{} is better than {}", pair.one, pair.other))
            .collect();
        let test = format!(
            "at {level} % (Mann-Whitney, corrected by Holm for {} pair{})",
            pairs.len(),
            if pairs.len() == 1 { "" } else { "s" }
        );
        notes.push(match apart.as_slice() {
            [] if fewest < needed => format!(
                "No two policies can be told apart {test}, whatever their values: that needs {needed} seeds at least. The order of the lines is no finding."
            ),
            [] => format!("No two policies can be told apart {test}: the order of the lines is no finding."),
            apart => format!("Told apart {test}: {}. All other differences may be chance.", apart.join(", ")),
        });
    }
    for (place, one) in policies.iter().enumerate() {
        let alike =
            policies.iter().skip(place + 1).filter(|other| are_alike(&one.policy, &other.policy, searches));
        for other in alike {
            notes.push(format!(
                "{} and {} came the same way with every seed: with so few candidates they do the same.",
                one.policy, other.policy
            ));
        }
    }
    let endings = |cause: Cause| searches.iter().filter(|search| search.ending == Some(cause)).count();
    let short = [
        (Cause::TimeLimit, "the end of their working time"),
        (Cause::Budget, "the end of their money"),
        (Cause::TokenLimit, "the end of their tokens"),
        (Cause::GaveUp, "their own choice"),
        (Cause::Submitted, "their own choice"),
    ];
    for (cause, words) in short {
        let count = endings(cause);
        if count > 0 && setting.candidates.is_some() {
            notes.push(format!(
                "{count} of {} searches ended by {words} before all their candidates were made: they are compared by fewer.",
                searches.len()
            ));
        }
    }
    let without: u64 = searches.iter().filter(|search| search.best.is_none()).count() as u64;
    if without > 0 {
        notes.push(format!("{without} searches have no value at all; they count as worse than any other."));
    }
    notes
}

/// Whether two policies had the same values at the same evaluations with every seed, and ever found anything.
fn are_alike(one: &str, other: &str, searches: &[Searched]) -> bool {
    let courses = |policy: &str| {
        let own = searches.iter().filter(|search| search.policy == policy);
        own.map(|search| (search.seed, &search.course)).collect::<Vec<(u64, &Vec<Reached>)>>()
    };
    let ours = courses(one);
    ours.iter().any(|(_, course)| course.len() > 2) && ours == courses(other)
}
