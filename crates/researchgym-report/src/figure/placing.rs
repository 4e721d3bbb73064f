//! Where labels go, so that none covers another: in a column beside line ends, and around points.

use super::scene::{Area, Place};

/// Places in a column, as near to the wanted ones as a gap between neighbours allows, in their order.
///
/// Least squares by pooling adjacent violators; pools that leave the column are moved back into it.
pub(crate) fn column(wanted: &[f64], gap: f64, top: f64, bottom: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|one, other| wanted[*one].total_cmp(&wanted[*other]));
    // With the gaps taken out, places need only not decrease.
    let gap = gap.min((bottom - top) / (wanted.len().saturating_sub(1).max(1)) as f64);
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for (rank, index) in order.iter().enumerate() {
        pools.push((wanted[*index] - rank as f64 * gap, 1));
        while let [.., (before, count), (last, more)] = pools[..] {
            if before <= last {
                break;
            }
            pools.truncate(pools.len() - 2);
            pools.push(((before * count as f64 + last * more as f64) / (count + more) as f64, count + more));
        }
    }
    let room = (bottom - top - gap * wanted.len().saturating_sub(1) as f64).max(0.0);
    let mut places = vec![0.0; wanted.len()];
    let mut rank = 0;
    for (place, count) in pools {
        for _ in 0..count {
            places[order[rank]] = place.clamp(top, top + room) + rank as f64 * gap;
            rank += 1;
        }
    }
    places
}

/// A label's place around its point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Around {
    /// What it covers.
    pub(crate) area: Area,
    /// Whether it stands so far off that a line should lead to it.
    pub(crate) is_far: bool,
}

/// Places of labels of these sizes around these points, inside the bounds, away from the points, each other and what else is taken.
///
/// Each label in turn takes the cheapest of its candidates while the others stand; a few rounds settle it.
pub(crate) fn around(points: &[Place], sizes: &[(f64, f64)], bounds: Area, taken: &[Area]) -> Vec<Around> {
    const ROUNDS: usize = 6;
    let dots: Vec<Area> =
        points.iter().map(|(x, y)| Area { left: *x, top: *y, right: *x, bottom: *y }.grown(3.2)).collect();
    let mut chosen: Vec<Option<Around>> = vec![None; points.len()];
    for _ in 0..ROUNDS {
        let before = chosen.clone();
        for (index, (point, size)) in points.iter().zip(sizes).enumerate() {
            let cost = |candidate: &(Around, f64)| {
                let area = candidate.0.area.grown(0.8);
                let others = chosen.iter().enumerate().filter(|(other, _)| *other != index);
                let labels: f64 =
                    others.filter_map(|(_, other)| Some(area.overlap(&other.as_ref()?.area))).sum();
                let on_dots: f64 = dots.iter().map(|dot| area.overlap(dot)).sum();
                let on_taken: f64 = taken.iter().map(|taken| area.overlap(taken)).sum();
                let inside = candidate.0.area.overlap(&bounds);
                let outside = candidate.0.area.width() * candidate.0.area.height() - inside;
                candidate.1 + 12.0 * labels + 6.0 * on_dots + 3.0 * on_taken + 40.0 * outside
            };
            let best =
                candidates(*point, *size).into_iter().min_by(|one, other| cost(one).total_cmp(&cost(other)));
            chosen[index] = best.map(|(around, _)| around);
        }
        if before == chosen {
            break;
        }
    }
    chosen.into_iter().flatten().collect()
}

/// Places around a point with what each costs by itself: right of it is best, far from it is worst.
fn candidates(point: Place, size: (f64, f64)) -> Vec<(Around, f64)> {
    const DIRECTIONS: [(f64, f64, f64); 12] = [
        (1.0, 0.0, 0.0),
        (1.0, -0.6, 1.0),
        (1.0, 0.6, 1.0),
        (-1.0, 0.0, 1.5),
        (-1.0, -0.6, 2.0),
        (-1.0, 0.6, 2.0),
        (0.0, -1.0, 2.0),
        (0.0, 1.0, 2.0),
        (0.5, -1.0, 2.2),
        (0.5, 1.0, 2.2),
        (-0.5, -1.0, 2.4),
        (-0.5, 1.0, 2.4),
    ];
    let mut out = Vec::new();
    for (step, distance) in [5.0, 9.0, 15.0, 23.0, 33.0, 46.0].into_iter().enumerate() {
        for (right, down, price) in DIRECTIONS {
            let middle_x = point.0 + right * (size.0 / 2.0 + distance);
            let middle_y = point.1 + down * (size.1 / 2.0 + distance);
            let area = Area {
                left: middle_x - size.0 / 2.0,
                top: middle_y - size.1 / 2.0,
                right: middle_x + size.0 / 2.0,
                bottom: middle_y + size.1 / 2.0,
            };
            out.push((Around { area, is_far: step > 0 }, price + 7.0 * step as f64));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn columns_keep_order_and_gap() {
        assert_eq!(column(&[10.0, 50.0], 8.0, 0.0, 100.0), [10.0, 50.0]);
        assert_eq!(column(&[50.0, 50.0, 50.0], 8.0, 0.0, 100.0), [42.0, 50.0, 58.0]);
        assert_eq!(column(&[0.0, 0.0], 8.0, 0.0, 100.0), [0.0, 8.0]);
        assert_eq!(column(&[100.0, 100.0], 8.0, 0.0, 100.0), [92.0, 100.0]);
        assert_eq!(column(&[], 8.0, 0.0, 100.0), [0.0; 0]);
    }

    proptest! {
        #[test]
        fn columns_stay_inside(wanted in prop::collection::vec(-50.0f64..250.0, 1..14)) {
            let places = column(&wanted, 9.0, 0.0, 200.0);
            let mut sorted = places.clone();
            sorted.sort_by(f64::total_cmp);
            prop_assert!(sorted[0] >= -1e-6 && sorted[sorted.len() - 1] <= 200.0 + 1e-6);
            prop_assert!(sorted.windows(2).all(|pair| pair[1] - pair[0] >= 9.0 - 1e-6));
        }

        #[test]
        fn labels_around_points_do_not_cover_each_other(
            points in prop::collection::vec((0.0f64..380.0, 0.0f64..240.0), 1..14)
        ) {
            let sizes = vec![(60.0, 9.0); points.len()];
            let bounds = Area { left: -5.0, top: -5.0, right: 460.0, bottom: 250.0 };
            let places = around(&points, &sizes, bounds, &[]);
            prop_assert_eq!(places.len(), points.len());
            for (index, place) in places.iter().enumerate() {
                for other in &places[..index] {
                    prop_assert!(place.area.overlap(&other.area) < 40.0, "{:?} {:?}", place, other);
                }
            }
        }
    }
}
