use super::super::sample::Interval;
use super::*;

const RESAMPLING: Resampling = Resampling { resamples: 500, seed: 1, confidence: 0.95 };

fn setting(direction: Direction, target: Option<f64>) -> Setting {
    Setting {
        task: "climb".to_owned(),
        variant: "default".to_owned(),
        primary: Primary { name: "score".to_owned(), direction },
        noise_floor: 0.0,
        baseline: Some(1.0),
        operators: Repertoire::default(),
        model: None,
        candidates: Some(10),
        working_ms: None,
        budget: None,
        slots: 1,
        target,
        tag: "shoot-out".to_owned(),
        asked: 0,
    }
}

fn search(policy: &str, seed: u64, course: &[(u64, f64)]) -> Searched {
    let course: Vec<Reached> = course
        .iter()
        .map(|(evaluations, value)| Reached { evaluations: *evaluations, value: *value })
        .collect();
    Searched {
        run_id: format!("{policy}-{seed}"),
        policy: policy.to_owned(),
        seed,
        ending: Some(Cause::StepLimit),
        baseline: Some(1.0),
        best: course.last().map(|reached| reached.value),
        evaluations: 11,
        to_target: None,
        course,
        fates: [("measured".to_owned(), 9), ("duplicate".to_owned(), 1)].into(),
        diversity: Diversity { distinct: 8, similarity: Some(0.5) },
        cost: MicroUsd(10),
        tokens: 3,
        wall_ms: 1000,
        program_cpu_ms: 100,
    }
}

fn of(setting: Setting, searches: Vec<Searched>) -> ShootOut {
    let mut policies: Vec<String> = Vec::new();
    for search in &searches {
        if !policies.contains(&search.policy) {
            policies.push(search.policy.clone());
        }
    }
    ShootOut::of(setting, RESAMPLING, &policies, searches)
}

/// Searches of a policy with these best values, reached at the second evaluation.
fn with_bests(policy: &str, bests: &[f64]) -> Vec<Searched> {
    (1..).zip(bests).map(|(seed, best)| search(policy, seed, &[(1, 1.0), (2, *best)])).collect()
}

#[test]
fn policies_are_summed_up_and_the_best_comes_first() {
    let mut searches = with_bests("low", &[2.0, 3.0, 4.0]);
    searches.extend(with_bests("high", &[5.0, 1.0, 9.0]));
    let found = of(setting(Direction::Maximize, Some(4.0)), searches);
    let expected = Contender {
        policy: "high".to_owned(),
        searches: 3,
        above_baseline: Some(2),
        best: Some(Estimate { value: 5.0, interval: Some(Interval { low: 1.0, high: 9.0 }) }),
        to_target: Some(ToTarget { median: Some(2.0), reached: 2 }),
        evaluations: Some(11.0),
        fates: [("measured".to_owned(), 27), ("duplicate".to_owned(), 3)].into(),
        distinct: Some(8.0),
        similarity: Some(0.5),
        wall_ms: Some(1000.0),
        program_cpu_ms: Some(100.0),
        cost: MicroUsd(30),
        tokens: 9,
    };
    assert_eq!(found.policies[0], expected);
    assert_eq!(found.policies[1].policy, "low");
    assert_eq!(found.policies[1].to_target, Some(ToTarget { median: None, reached: 1 }));
    assert_eq!(found.searches[0].policy, "low", "searches keep the order that was asked for");
}

#[test]
fn less_may_be_better() {
    let mut searches = with_bests("low", &[-2.0, -3.0, -4.0]);
    searches.extend(with_bests("high", &[0.5, 0.7, 0.9]));
    let found = of(setting(Direction::Minimize, Some(-3.0)), searches);
    let first = &found.policies[0];
    assert_eq!(first.policy, "low");
    assert_eq!(
        first.best,
        Some(Estimate { value: -3.0, interval: Some(Interval { low: -4.0, high: -2.0 }) })
    );
    assert_eq!(first.to_target, Some(ToTarget { median: Some(2.0), reached: 2 }));
}

#[test]
fn searches_that_never_reach_the_target_are_beyond_all_others() {
    type Case<'c> = (&'c [Option<u64>], Option<f64>, u64);
    let cases: [Case<'_>; 4] = [
        (&[Some(3), None, Some(9)], Some(9.0), 2),
        (&[None, None, Some(9)], None, 1),
        (&[Some(2), Some(4)], Some(3.0), 2),
        (&[Some(2), None], None, 1),
    ];
    for (counts, median, reached) in cases {
        let searches: Vec<Searched> =
            counts.iter().map(|count| Searched { to_target: *count, ..search("p", 1, &[]) }).collect();
        let own: Vec<&Searched> = searches.iter().collect();
        assert_eq!(to_target(&own), ToTarget { median, reached }, "{counts:?}");
    }
}

#[test]
fn a_search_without_a_value_is_worse_than_any() {
    let mut searches = with_bests("some", &[-5.0, -6.0, -7.0]);
    searches.extend((1..=3).map(|seed| search("none", seed, &[])));
    let found = of(setting(Direction::Maximize, None), searches);
    let bests: Vec<(&str, bool)> =
        found.policies.iter().map(|one| (one.policy.as_str(), one.best.is_some())).collect();
    assert_eq!(bests, [("some", true), ("none", false)]);
    assert_eq!(found.policies[0].to_target, None);
    assert_eq!(
        found.notes.last().map(String::as_str),
        Some("3 searches have no value at all; they count as worse than any other.")
    );
}

#[test]
fn few_seeds_tell_nothing_apart_and_it_is_said() {
    let names = ["a", "b", "c", "d", "e", "f", "g"];
    let seven = |seeds: u32| {
        let bests = |policy: u32| (0..seeds).map(|seed| f64::from(policy * 100 + seed)).collect::<Vec<f64>>();
        (0..)
            .zip(names)
            .flat_map(|(number, name)| with_bests(name, &bests(number)))
            .collect::<Vec<Searched>>()
    };
    let five = of(setting(Direction::Maximize, None), seven(5));
    assert!(five.pairs.iter().all(|pair| pair.improvement == 1.0 && !pair.is_apart));
    assert_eq!(
        five.notes,
        [
            "With 5 seeds no interval of a median holds what it promises: even the range from the worst to the best seed holds the true median in 93.8 % of \
             cases at most, not in 95 %.",
            "No two policies can be told apart at 5 % (Mann-Whitney, corrected by Holm for 21 pairs), whatever their values: that needs 6 seeds at least. \
             The order of the lines is no finding.",
        ]
    );
    let six = of(setting(Direction::Maximize, None), seven(6));
    assert!(six.pairs.iter().all(|pair| pair.is_apart));
    assert!(six.notes[1].contains("g is better than f, g is better than e"), "{:?}", six.notes);
    let noisy = Setting { noise_floor: 150.0, ..setting(Direction::Maximize, None) };
    let noisy = of(noisy, seven(6));
    let apart: Vec<(&str, &str)> = noisy
        .pairs
        .iter()
        .filter(|pair| pair.is_apart)
        .map(|pair| (pair.one.as_str(), pair.other.as_str()))
        .take(2)
        .collect();
    assert_eq!(apart, [("g", "e"), ("g", "d")], "a difference within the noise is none");
}

#[test]
fn seeds_that_are_needed() {
    let cases = [(2, 0.05, 4), (3, 0.05, 5), (7, 0.05, 6), (2, 0.01, 5), (1, 0.05, 4)];
    for (policies, level, seeds) in cases {
        assert_eq!(seeds_needed(policies, level), seeds, "{policies} policies at {level}");
    }
    assert_eq!([2, 5, 6].map(coverage_of_range), [0.5, 0.9375, 0.96875]);
}

#[test]
fn policies_that_do_the_same_are_told() {
    let course = [(1, 1.0), (3, 2.0), (7, 2.5)];
    let mut searches = vec![search("a", 1, &course), search("b", 1, &course)];
    let told = |searches: &[Searched]| {
        let notes = of(setting(Direction::Maximize, None), searches.to_vec()).notes;
        notes.iter().any(|note| note.starts_with("a and b came the same way"))
    };
    assert!(told(&searches));
    searches.extend([search("a", 2, &course), search("b", 2, &course[..2])]);
    assert!(!told(&searches));
    let short = [search("a", 1, &course[..2]), search("b", 1, &course[..2])];
    assert!(!told(&short), "one step from the baseline may be chance");
}

#[test]
fn what_is_missing_or_shorter_is_told() {
    let mut searches = with_bests("p", &[2.0, 3.0]);
    searches[1].ending = Some(Cause::Budget);
    let found = of(Setting { asked: 5, ..setting(Direction::Maximize, None) }, searches);
    assert_eq!(found.notes[0], "2 of the 5 searches are over; the others are not counted.");
    assert!(
        found.notes[2].starts_with("1 of 2 searches ended by the end of their money"),
        "{:?}",
        found.notes
    );
    assert_eq!(found.policies[0].best.and_then(|best| best.interval), None, "two values have no interval");
}
